#!/usr/bin/env bash
# Installs what is missing, builds with address and undefined behaviour sanitizers, and runs all tests through ctest.
#
#   tests/run.sh          the whole suite, with the end-to-end tests where Go 1.24 and a JDK are at hand
#   tests/run.sh --full   also clang, the thread sanitizer, the release build, fuzzing, and the long end-to-end scenarios
#
# With WEIR_CI=1 end-to-end tests that cannot run are a failure. The exit status is 0 only if everything passed.
set -euo pipefail
cd "$(dirname "$0")/.."

full=0
for argument in "$@"; do
	case $argument in
	--full) full=1 ;;
	-h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
	*) echo "$0: unknown argument: $argument" >&2; exit 2 ;;
	esac
done

failed=() times=()
# stage NAME COMMAND...: runs it and keeps its time. A failed stage is remembered and returned.
stage() {
	local name=$1 start=$SECONDS status=0
	shift
	echo "== $name"
	"$@" || status=$?
	times+=("$(printf '%5d s  %s' $((SECONDS - start)) "$name")")
	[ "$status" -eq 0 ] || failed+=("$name (exit status $status)")
	echo "== $name: $((SECONDS - start)) s, $([ "$status" -eq 0 ] && echo ok || echo FAILED)"
	return "$status"
}

finish() {
	printf '\n== stages\n'
	printf '%s\n' "${times[@]}"
	[ -z "${skipped:-}" ] || printf '== SKIPPED: %s\n' "$skipped"
	if [ ${#failed[@]} -gt 0 ]; then
		printf '== FAILED: %s\n' "${failed[@]}"
		exit 1
	fi
	exit 0
}

run_ctest() { # PRESET ARGUMENT...
	local preset=$1
	shift
	ctest --test-dir "build/$preset" --output-on-failure "$@"
}

go_is_new_enough() {
	local version
	version=$(GOTOOLCHAIN=local go version 2>/dev/null | sed -n 's/^go version go\([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
	[ -n "$version" ] && awk '{ exit !($1 > 1 || $2 >= 24) }' <<<"$version"
}
jdk_is_new_enough() {
	local version
	version=$(javac -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p')
	[ -n "$version" ] && [ "$version" -ge 11 ]
}

export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-second_deadlock_stack=1}

stage packages bash tests/packages.sh build test demo || finish
stage configure cmake --preset dev || finish
stage build cmake --build --preset dev || finish

skipped=
if [ -f tests/e2e/run.sh ]; then
	if ! go_is_new_enough; then
		skipped="end-to-end tests: no Go 1.24 or newer on PATH (found: $(go version 2>/dev/null || echo none)). The test cluster is built with
   it. Get one from the Go project's download page, unpack it, and put its bin folder first on PATH; Debian 12's own golang is too old."
	else
		stage e2e-packages bash tests/packages.sh e2e || finish
		jdk_is_new_enough || skipped="end-to-end tests: no JDK 11 or newer on PATH (install openjdk-17-jdk-headless)"
	fi
	if [ -n "$skipped" ] && [ "${WEIR_CI:-}" = 1 ]; then
		failed+=("$skipped")
	fi
fi

stage tests run_ctest dev --parallel 2 --label-exclude '^(e2e|simulation)$' || true
stage simulation run_ctest dev --label-regex '^simulation$' || true
if [ "$full" -eq 1 ]; then
	for preset in tsan release fuzz; do
		if stage "$preset: build" bash -c "cmake --preset $preset && cmake --build --preset $preset"; then
			# The tests about documents and sources say the same in every build.
			stage "$preset: tests" run_ctest "$preset" --parallel 2 --label-exclude '^(e2e|docs|lint|simulation)$' || true
		fi
	done
fi
if [ -f tests/e2e/run.sh ] && [ -z "$skipped" ]; then
	if [ "$full" -eq 1 ]; then export WEIR_E2E_ARGUMENTS=--full; fi
	stage e2e run_ctest dev --verbose --label-regex '^e2e$' || true
fi
finish
