/*
 * banned: turns calls that are unsafe in every use into compile errors. The build puts this header before every file of ours (-include),
 * so nobody includes it.
 *
 * Names that are used for nothing else are poisoned; the system headers that declare them come first, as a poisoned name may not even be
 * declared later. Names that other headers also use for members and parameters (git2.h has a `ctime`) are marked as deprecated
 * instead, which -Werror turns into an error where the function itself is used.
 *
 * Instead: buf_printf, mem_printf or snprintf for the string builders; strtok_r for strtok; strtoll with its end pointer for atoi and
 * scanf; gmtime_r for gmtime; posix_spawn or execv for system and popen; the random port for rand; mkstemp for mktemp.
 */
#ifndef WEIR_BASE_BANNED_H
#define WEIR_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <wchar.h>

#undef alloca
#undef stpcpy
#undef strncpy
#undef strncat
#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#pragma GCC poison gets strcpy strcat stpcpy strncpy strncat sprintf vsprintf
#pragma GCC poison strtok atoi atol atoll atof scanf fscanf
#pragma GCC poison asctime asctime_r ctime_r popen tmpnam tempnam mktemp alloca
#pragma GCC poison srand rand_r drand48 lrand48

#define BANNED(instead) __attribute__((deprecated("banned: " instead)))
extern int system(const char *command) BANNED("use posix_spawn");
extern int rand(void) BANNED("use the port in base/random.h");
extern char *ctime(const time_t *t) BANNED("use base/wtime.h");
extern struct tm *gmtime(const time_t *t) BANNED("use base/wtime.h or gmtime_r");
extern struct tm *localtime(const time_t *t) BANNED("use base/wtime.h");
#undef BANNED

#endif
