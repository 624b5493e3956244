#!/usr/bin/env python3
"""Shows that includes.py finds what it is for."""
import unittest

import includes

LIBRARIES = includes.table("""
weir_library(base PkgConfig::yaml_0_1)
weir_library(kube weir_base
  PkgConfig::libcurl)
weir_library(sync weir_kube)
weir_library(git weir_base)
""")


def problems(folder, line):
    return includes.check_file(LIBRARIES, folder, "f.c", line)


class Includes(unittest.TestCase):
    def test_allowed(self):
        for folder, line in [("sync", '#include "kube/a.h"'), ("sync", '#include "base/a.h"'), ("kube", "#include <curl/curl.h>"),
                             ("base", "#include <string.h>"), ("git", '#include "git/own.h"'), ("git", '#include "weir/plugin.h"')]:
            self.assertEqual(problems(folder, line), [], line)

    def test_refused(self):
        for folder, line in [("base", '#include "kube/a.h"'), ("git", '#include "kube/a.h"'), ("sync", " # include <curl/curl.h>"),
                             ("git", '#include "own.h"'), ("git", '#include "../kube/a.h"'), ("git", "#include <kube/a.h>"),
                             ("git", "#include <git2.h>")]:
            self.assertEqual(len(problems(folder, line)), 1, line)

    def test_cycle(self):
        self.assertEqual(includes.cycles(LIBRARIES), [])
        self.assertEqual(includes.cycles({"a": {"weir_b"}, "b": {"weir_a"}}), ["a", "b"])


if __name__ == "__main__":
    unittest.main()
