#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void out_of_memory(void)
{
	static const char text[] = "weir: out of memory\n";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
	(void)ignored;
	abort();
}

void *mem_alloc(size_t size)
{
	void *p = calloc(1, size == 0 ? 1 : size);
	if (p == NULL)
		out_of_memory();
	return p;
}

void *mem_array(size_t count, size_t size)
{
	void *p = calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);
	if (p == NULL)
		out_of_memory();
	return p;
}

void *mem_grow(void *p, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size)
		out_of_memory();
	size_t n = count * size;
	void *q = realloc(p, n == 0 ? 1 : n);
	if (q == NULL)
		out_of_memory();
	return q;
}

char *mem_strndup(const char *s, size_t n)
{
	if (s == NULL)
		return NULL;
	char *copy = mem_alloc(n + 1);
	memcpy(copy, s, n);
	return copy;
}

char *mem_strdup(const char *s)
{
	return s == NULL ? NULL : mem_strndup(s, strlen(s));
}

char *mem_printf(const char *format, ...)
{
	char *out = NULL;
	va_list args;
	va_start(args, format);
	int n = vasprintf(&out, format, args);
	va_end(args);
	if (n < 0)
		out_of_memory();
	return out;
}

void free_ptr(void *pointer_to_pointer)
{
	void **p = pointer_to_pointer;
	free(*p);
	*p = NULL;
}

void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}
