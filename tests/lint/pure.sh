#!/usr/bin/env bash
# The lifecycle library is pure: no clock, no I/O, no log, no environment, no randomness, no threads, no mutable globals. Its undefined
# and data symbols tell. Usage: pure.sh NM ARCHIVE
set -euo pipefail
nm=$1 archive=$2
impure='time|clock_gettime|gettimeofday|localtime_r|clock_real|clock_now_ms|clock_mono_ms|nanosleep|usleep|sleep|poll|select'
impure+='|open|openat|fopen|read|write|fread|fwrite|printf|fprintf|puts|putchar|vprintf|vfprintf|socket|connect|send|recv|__printf_chk|__fprintf_chk'
impure+='|log_[a-z_]+|getenv|secure_getenv|setenv|getrandom|random|rand|random_[a-z_]+|pthread_[a-z_]+|fork|execv[a-z]*|posix_spawn[a-z]*'
calls=$("$nm" --undefined-only "$archive" | awk '{print $NF}' | sort -u | grep -Ex "$impure" || true)
# b, d and C are writable data; the sanitizers' own are left out.
globals=$("$nm" --defined-only "$archive" | awk '$2 ~ /^[bBdDC]$/ {print $3}' | grep -Ev '^(\.?L|__(a|ub|t)san|_?\.?__odr_asan|__.*\.[0-9]+$|DW\.ref)' || true)
[ -z "$calls" ] || printf 'lifecycle calls what a pure library may not:\n%s\n' "$calls"
[ -z "$globals" ] || printf 'lifecycle has writable data:\n%s\n' "$globals"
[ -z "$calls$globals" ]
