/*
 * mem: allocation that cannot fail, ownership helpers.
 *
 * Running out of memory ends the process: every safe point is in the cluster (the ledger), so that dying is always a correct answer, and
 * half-handled allocation failures are not. Every pointer is owned or borrowed; headers say which. CLEANUP releases at the end of the
 * scope, TAKE hands ownership on.
 */
#ifndef WEIR_BASE_MEM_H
#define WEIR_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size);			    /* zeroed, never NULL; free() releases it */
void *mem_array(size_t count, size_t size);	    /* zeroed, checked for overflow */
void *mem_grow(void *p, size_t count, size_t size); /* realloc to count*size, checked for overflow; new bytes undefined */
char *mem_strdup(const char *s);		    /* NULL in, NULL out */
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* For `CLEANUP(free_ptr) char *name = ...;` */
void free_ptr(void *pointer_to_pointer);
/* Closes a file descriptor that is >= 0: `CLEANUP(close_fd) int fd = open(...)`. */
void close_fd(int *fd);

#define CLEANUP(function) __attribute__((cleanup(function)))
#define AUTOFREE	  CLEANUP(free_ptr)

/* The value of a pointer variable, which is NULL afterwards: hands ownership out of a cleanup scope. */
#define TAKE(p)                             \
	__extension__({                     \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
