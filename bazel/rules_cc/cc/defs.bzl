"""The rules of rules_cc, as Bazel 4 has them built in.

Bazel's own Python toolchain loads this file from @rules_cc. GoodNet compiles no C++, so the built-in rules serve, and
nothing has to be downloaded.
"""

cc_binary = native.cc_binary
cc_import = native.cc_import
cc_library = native.cc_library
cc_proto_library = native.cc_proto_library
cc_test = native.cc_test
cc_toolchain = native.cc_toolchain
cc_toolchain_suite = native.cc_toolchain_suite
fdo_prefetch_hints = native.fdo_prefetch_hints
fdo_profile = native.fdo_profile
objc_import = native.objc_import
objc_library = native.objc_library
