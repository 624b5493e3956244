#include "git/source.h"

#include <string.h>

#include "base/mem.h"
#include "git/transport.h"

#define TEXT(field)                                        \
	{                                                  \
#field, offsetof(struct git_source, field) \
	}

static const struct {
	const char *name;
	size_t offset;
} texts[] = {
	TEXT(name),	  TEXT(url),	  TEXT(branch),	    TEXT(tag),	       TEXT(commit),
	TEXT(user),	  TEXT(password), TEXT(token_file), TEXT(ca_file),     TEXT(client_cert),
	TEXT(client_key), TEXT(proxy),	  TEXT(ssh_key),    TEXT(known_hosts), TEXT(ssh_command),
};

static const char **text_at(struct git_source *source, size_t i)
{
	return (const char **)(void *)((char *)source + texts[i].offset);
}

static bool is_commit(const char *text)
{
	return strlen(text) == 40 && strspn(text, "0123456789abcdefABCDEF") == 40;
}

static bool check_ref(const char *field, const char *prefix, const char *name, struct error *err)
{
	int valid = 0;
	AUTOFREE char *ref = mem_printf("%s%s", prefix, name ? name : "x");
	if (git_reference_name_is_valid(&valid, ref) == 0 && valid)
		return true;
	return error_set(err, ERROR_INVALID, "%s: \"%s\" is no name that git allows", field, name);
}

static bool check_url(const char *url, struct error *err)
{
	struct ssh_address address;
	switch (transport_kind(url)) {
	case TRANSPORT_SSH:
		if (!ssh_address_parse(url, &address, err))
			return error_wrap(err, "url");
		ssh_address_free(&address);
		return true;
	case TRANSPORT_UNKNOWN:
		return error_set(err, ERROR_UNSUPPORTED, "url: expected http, https, ssh or file");
	default:
		return true;
	}
}

static bool check(const struct git_source *s, struct error *err)
{
	if (!s->name || !s->url)
		return error_set(err, ERROR_INVALID, "%s: is required", s->name ? "url" : "name");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const char *text = *(const char *const *)(const void *)((const char *)s + texts[i].offset);
		if (text && strpbrk(text, "\r\n"))
			return error_set(err, ERROR_INVALID, "%s: expected one line", texts[i].name);
	}
	if (s->branch && s->tag)
		return error_set(err, ERROR_INVALID, "tag: expected at most one of branch and tag");
	if (s->commit && !is_commit(s->commit))
		return error_set(err, ERROR_INVALID, "commit: \"%s\": expected 40 hexadecimal digits", s->commit);
	if (s->token_file && s->password)
		return error_set(err, ERROR_INVALID, "token_file: expected at most one of password and token_file");
	if (s->client_key && !s->client_cert)
		return error_set(err, ERROR_INVALID, "client_key: expected client_cert beside it");
	if (s->timeout_ms < 0)
		return error_set(err, ERROR_INVALID, "timeout_ms: %lld: expected a positive number", (long long)s->timeout_ms);
	return check_ref("branch", "refs/heads/", s->branch, err) && check_ref("tag", "refs/tags/", s->tag, err) && check_url(s->url, err);
}

bool source_copy(struct git_source *to, const struct git_source *from, struct error *err)
{
	struct git_source s = *from;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const char **text = text_at(&s, i);
		if (*text && !**text && text != &s.proxy)
			*text = NULL;
	}
	if (!check(&s, err))
		return error_wrap(err, "git source %s", s.name ? s.name : "without name");
	s.ssh_command = s.ssh_command ? s.ssh_command : "ssh";
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		*text_at(&s, i) = mem_strdup(*text_at(&s, i));
	s.timeout_ms = s.timeout_ms ? s.timeout_ms : GIT_SOURCE_TIMEOUT_MS;
	s.max_files = s.max_files ? s.max_files : GIT_SOURCE_MAX_FILES;
	s.max_bytes = s.max_bytes ? s.max_bytes : GIT_SOURCE_MAX_BYTES;
	s.max_file_bytes = s.max_file_bytes ? s.max_file_bytes : GIT_SOURCE_MAX_FILE_BYTES;
	s.max_fetch_bytes = s.max_fetch_bytes ? s.max_fetch_bytes : GIT_SOURCE_MAX_FETCH_BYTES;
	*to = s;
	return true;
}

void source_free(struct git_source *source)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free_ptr(text_at(source, i));
}
