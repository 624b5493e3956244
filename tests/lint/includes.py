#!/usr/bin/env python3
"""Refuses an #include that the table of libraries in CMakeLists.txt does not allow.

A file in src/X may include "Y/z.h" where weir_X links weir_Y, directly or through what it links, and a system header of an external
library only where weir_X names that library itself. src/main.c may include what cli may. Usage: includes.py SOURCE_DIRECTORY
"""
import pathlib
import re
import sys

EXTERNAL = {
    r"git2(\.h|/.*)": {"PkgConfig::libgit2"},
    r"curl/.*": {"PkgConfig::libcurl"},
    r"yaml\.h": {"PkgConfig::yaml_0_1"},
    r"cjson/.*": {"PkgConfig::libcjson"},
    r"openssl/.*": {"PkgConfig::libcrypto", "PkgConfig::libssl"},
    r"microhttpd\.h": {"PkgConfig::libmicrohttpd"},
    r"expat\.h": {"PkgConfig::expat"},
}


def table(cmake_text):
    """The weir_library() lines: {folder: set of dependencies}."""
    libraries = {}
    for name, rest in re.findall(r"^weir_library\(\s*(\w+)([^)]*)\)", cmake_text, re.M):
        libraries[name] = set(rest.split())
    return libraries


def reachable(libraries, name):
    seen, todo = set(), [name]
    while todo:
        folder = todo.pop()
        if folder not in seen:
            seen.add(folder)
            todo += [d[len("weir_"):] for d in libraries.get(folder, ()) if d.startswith("weir_")]
    return seen


def cycles(libraries):
    return [name for name in libraries for d in libraries[name] if d.startswith("weir_") and name in reachable(libraries, d[5:])]


def check_file(libraries, folder, path, text):
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not found:
            continue
        quoted, header = found.group(1) == '"', found.group(2)
        where = f"{path}:{number}: "
        if quoted:
            parts = header.split("/")
            if len(parts) < 2 or ".." in parts:
                problems.append(where + f'"{header}": include headers as "folder/thing.h"')
            elif parts[0] != "weir" and parts[0] not in reachable(libraries, folder):
                problems.append(where + f'"{header}": weir_{folder} does not link weir_{parts[0]} (see CMakeLists.txt)')
            continue
        if header.split("/")[0] in libraries and "/" in header:
            problems.append(where + f"<{header}>: our own headers go in quotes")
        for pattern, targets in EXTERNAL.items():
            if re.fullmatch(pattern, header) and not targets & libraries.get(folder, set()):
                problems.append(where + f"<{header}>: weir_{folder} does not link {' or '.join(sorted(targets))}")
    return problems


def check_tree(root):
    libraries = table((root / "CMakeLists.txt").read_text())
    problems = [f"CMakeLists.txt: weir_{name} depends on itself" for name in sorted(set(cycles(libraries)))]
    files = [p for p in sorted((root / "src").rglob("*")) if p.suffix in (".c", ".h", ".def")]
    for path in files:
        relative = path.relative_to(root)
        folder = relative.parts[1] if len(relative.parts) > 2 else "cli"
        if folder not in libraries:
            problems.append(f"{relative}: src/{folder} is not in the table of CMakeLists.txt")
            continue
        problems += check_file(libraries, folder, relative, path.read_text(errors="replace"))
    return files, problems


def main():
    files, problems = check_tree(pathlib.Path(sys.argv[1]))
    for problem in problems:
        print(problem)
    print(f"{len(files)} files, {len(problems)} problems")
    return 1 if problems or not files else 0


if __name__ == "__main__":
    sys.exit(main())
