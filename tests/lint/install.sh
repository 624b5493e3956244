#!/usr/bin/env bash
# install.sh CMAKE SOURCE_DIR BUILD_DIR: what `cmake --install` puts into an empty folder works from there: the program, its manual pages,
# the examples, the install manifests.
set -euo pipefail
cmake=$1 source=$2 build=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
die() { echo "$0: $*" >&2; exit 1; }
"$cmake" --install "$build" --prefix "$work/usr" >"$work/log" 2>&1 || die "cmake --install: $(cat "$work/log")"
weir=$work/usr/bin/weir
[ -x "$weir" ] || die "bin/weir is not there: $(cd "$work/usr" && find . | head -50)"
version=$(sed -n 's/^project(weir VERSION \([0-9.]*\) .*/\1/p' "$source/CMakeLists.txt")
[ "$("$weir" --version)" = "weir $version" ] || die "weir --version: $("$weir" --version), expected weir $version"
for page in "$source"/docs/man/*.1; do
	cmp -s "$page" "$work/usr/share/man/man1/${page##*/}" || die "the manual page ${page##*/} is not there"
done
[ -s "$work/usr/share/doc/weir/README.md" ] || die 'README.md is not there'
for folder in examples kustomize; do
	diff -r "$source/$folder" "$work/usr/share/weir/$folder" >&2 || die "share/weir/$folder is not what the sources hold"
done
"$weir" render "$work/usr/share/weir/kustomize/base" >"$work/rendered" || die 'the install manifests cannot be rendered'
grep -q '^kind: CustomResourceDefinition' "$work/rendered" || die 'the install manifests hold no definitions'
# Does the program find what was installed with it? The story is a short one.
mkdir "$work/story"
echo true >"$work/story/story.sh"
WEIR_EXAMPLES=$work/story "$weir" demo --work "$work/demo" >"$work/demo.log" 2>&1 || die "weir demo: $(cat "$work/demo.log")"
if grep -q 'is not there' "$work/demo.log"; then die "weir demo: $(cat "$work/demo.log")"; fi
