"""The Python rules. Every BUILD loads them from here, so that another Bazel's rules need a change in this file only."""

def py_binary(**attributes):
    native.py_binary(python_version = "PY3", **attributes)

def py_library(**attributes):
    native.py_library(**attributes)

def py_test(**attributes):
    native.py_test(python_version = "PY3", **attributes)
