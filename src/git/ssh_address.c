#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "git/transport.h"

void ssh_address_free(struct ssh_address *address)
{
	free_ptr(&address->host);
	free_ptr(&address->user);
	free_ptr(&address->port);
	free_ptr(&address->path);
}

static bool is_plain(const char *text)
{
	for (const char *p = text; *p; p++) {
		if (iscntrl((unsigned char)*p) || *p == ' ')
			return false;
	}
	return *text != 0 && *text != '-';
}

static bool is_number(const char *text)
{
	return *text && strlen(text) <= 5 && strspn(text, "0123456789") == strlen(text);
}

bool ssh_address_parse(const char *url, struct ssh_address *address, struct error *err)
{
	struct ssh_address a = { 0 };
	bool uri = str_starts(url, "ssh://");
	const char *start = uri ? url + 6 : url;
	size_t len = uri ? strcspn(start, "/") : strcspn(start, ":");
	const char *rest = start + len;
	const char *at = memrchr(start, '@', len);
	if (at) {
		size_t user = strcspn(start, ":@"); /* a password is of no use to ssh */
		a.user = mem_strndup(start, user);
		len -= (size_t)(at + 1 - start);
		start = at + 1;
	}
	const char *bracket = *start == '[' ? memchr(start, ']', len) : NULL;
	const char *colon = uri ? memchr(bracket ? bracket : start, ':', bracket ? len - (size_t)(bracket - start) : len) : NULL;
	if (colon) {
		a.port = mem_strndup(colon + 1, len - (size_t)(colon + 1 - start));
		len = (size_t)(colon - start);
	}
	a.host = bracket ? mem_strndup(start + 1, (size_t)(bracket - start - 1)) : mem_strndup(start, len);
	if (!uri && *rest == ':')
		rest++;
	a.path = mem_strdup(uri && str_starts(rest, "/~") ? rest + 1 : rest);
	bool path_ok = a.path[0] && a.path[0] != '-' && !(uri && str_eq(a.path, "/")) && !strpbrk(a.path, "\r\n");
	if (!is_plain(a.host) || (a.user && !is_plain(a.user)) || (a.port && !is_number(a.port)) || !path_ok) {
		ssh_address_free(&a);
		return error_set(err, ERROR_INVALID, "expected ssh://[user@]host[:port]/path or user@host:path");
	}
	*address = a;
	return true;
}
