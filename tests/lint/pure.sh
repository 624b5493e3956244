#!/usr/bin/env bash
# The lifecycle library is pure: no clock, no I/O, no log, no environment, no randomness, no threads, no mutable globals. Its symbols
# tell. Usage: pure.sh NM OBJDUMP ARCHIVE
set -euo pipefail
nm=$1 objdump=$2 archive=$3
impure='time|clock_gettime|gettimeofday|localtime_r|clock_real|clock_now_ms|clock_mono_ms|nanosleep|usleep|sleep|poll|select'
impure+='|open|openat|fopen|read|write|fread|fwrite|printf|fprintf|puts|putchar|vprintf|vfprintf|socket|connect|send|recv|__printf_chk|__fprintf_chk'
impure+='|log_[a-z_]+|getenv|secure_getenv|setenv|getrandom|random|rand|random_[a-z_]+|pthread_[a-z_]+|fork|execv[a-z]*|posix_spawn[a-z]*'
calls=$("$nm" --undefined-only "$archive" | awk '{print $NF}' | sort -u | grep -Ex "$impure" || true)
# Data that stays writable after loading (.data.rel.ro does not); the sanitizers' and the coverage's own are left out.
globals=$("$objdump" -t "$archive" | awk '{ for (i = 2; i <= NF - 2; i++) if ($i ~ /^\.(data|bss|tdata|tbss)/ && $i !~ /^\.data\.rel\.ro/ && $(NF) !~ /^\./) print $NF }' |
	grep -Ev '^(\.L.*|__.*|_\.?__odr_asan.*|\*\.L.*|_?\*?\.?Lubsan.*)$' | sort -u || true)
[ -z "$calls" ] || printf 'lifecycle calls what a pure library may not:\n%s\n' "$calls"
[ -z "$globals" ] || printf 'lifecycle has writable data:\n%s\n' "$globals"
[ -z "$calls$globals" ]
