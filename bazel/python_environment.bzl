"""A Python toolchain that is a virtual environment made from a lock file."""

_BUILD = """\
load("@bazel_tools//tools/python:toolchain.bzl", "py_runtime_pair")

py_runtime(
    name = "runtime",
    interpreter_path = "{interpreter}",
    python_version = "PY3",
    stub_shebang = "#!/usr/bin/env python3",
)

py_runtime_pair(
    name = "runtime_pair",
    py3_runtime = ":runtime",
)

toolchain(
    name = "toolchain",
    toolchain = ":runtime_pair",
    toolchain_type = "@bazel_tools//tools/python:toolchain_type",
)
"""

# Bazel starts a binary by its path, so Python would look for imports in the binary's folder first, and the binary
# pipeline/export.py would hide the package export. -P keeps that folder out.
_INTERPRETER = """\
#!/bin/sh
exec "{python}" -P "$@"
"""

def _run(ctx, doing, command):
    result = ctx.execute(command, quiet = False, timeout = ctx.attr.timeout)
    if result.return_code:
        fail("%s failed:\n%s%s" % (doing, result.stdout, result.stderr))

def _python_environment_impl(ctx):
    python = ctx.which(ctx.attr.python)
    if not python:
        fail("%s is not on the PATH" % ctx.attr.python)
    venv = ctx.path("venv")
    venv_python = ctx.path("venv/bin/python")
    _run(ctx, "making a virtual environment (on Debian it takes the package %s-venv)" % ctx.attr.python, [
        python,
        "-m",
        "venv",
        venv,
    ])
    _run(ctx, "installing the Python packages", [
        venv_python,
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--only-binary=:all:",
        "--require-hashes",
        "--requirement",
        ctx.path(ctx.attr.requirements),
    ])
    ctx.file("python", _INTERPRETER.format(python = venv_python))
    ctx.file("BUILD", _BUILD.format(interpreter = ctx.path("python")), executable = False)

python_environment = repository_rule(
    doc = "Makes a virtual environment from a lock file with hashes; :toolchain registers its Python.",
    implementation = _python_environment_impl,
    attrs = {
        "python": attr.string(default = "python3.11", doc = "The interpreter's name on the PATH."),
        "requirements": attr.label(allow_single_file = True, doc = "The lock file.", mandatory = True),
        "timeout": attr.int(default = 3600, doc = "Seconds that each step may take."),
    },
)
