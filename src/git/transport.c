#include "git/transport.h"

#include <git2/sys/remote.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

int64_t transport_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* user@host:path, where a slash before the colon makes it a path. */
static bool is_scp_like(const char *url)
{
	const char *colon = strchr(url, ':');
	return colon && colon != url && !memchr(url, '/', (size_t)(colon - url));
}

enum transport_kind transport_kind(const char *url)
{
	if (str_starts(url, "http://") || str_starts(url, "https://"))
		return TRANSPORT_HTTP;
	if (str_starts(url, "ssh://"))
		return TRANSPORT_SSH;
	if (str_starts(url, "file://"))
		return TRANSPORT_LOCAL;
	if (strstr(url, "://"))
		return TRANSPORT_UNKNOWN;
	return is_scp_like(url) ? TRANSPORT_SSH : TRANSPORT_LOCAL;
}

char *transport_display_url(const char *url)
{
	const char *authority = strstr(url, "://");
	if (!authority)
		return mem_strdup(url);
	authority += 3;
	size_t len = strcspn(authority, "/");
	const char *at = memrchr(authority, '@', len);
	const char *colon = at ? memchr(authority, ':', (size_t)(at - authority)) : NULL;
	if (!colon)
		return mem_strdup(url);
	return mem_printf("%.*s%s", (int)(colon - url), url, at);
}

int transfer_fail(struct transfer *transfer, enum error_kind kind, const char *format, ...)
{
	if (transfer->err.kind == ERROR_NONE) {
		char text[ERROR_MESSAGE_MAX];
		va_list args;
		va_start(args, format);
		(void)vsnprintf(text, sizeof(text), format, args);
		va_end(args);
		error_set(&transfer->err, kind, "%s", text);
		git_error_set_str(GIT_ERROR_NET, text);
	}
	return -1;
}

int64_t transfer_left_ms(struct transfer *transfer)
{
	if (atomic_load(transfer->stop)) {
		transfer_fail(transfer, ERROR_TRANSIENT, "cancelled");
		return 0;
	}
	int64_t left = transfer->deadline_ms - transport_now_ms();
	if (left > 0)
		return left;
	transfer_fail(transfer, ERROR_TRANSIENT, "not done within %lld ms", (long long)transfer->source->timeout_ms);
	return 0;
}

bool transfer_count(struct transfer *transfer, size_t bytes)
{
	transfer->received += bytes;
	if (transfer->received <= transfer->source->max_fetch_bytes)
		return true;
	transfer_fail(transfer, ERROR_LIMIT, "the server sent more than the %zu bytes that one poll may receive",
		      transfer->source->max_fetch_bytes);
	return false;
}

int transport_new(git_transport **out, git_remote *owner, void *param)
{
	struct transfer *transfer = param;
	git_smart_subtransport_definition definition = { .param = param };
	switch (transport_kind(git_remote_url(owner))) {
	case TRANSPORT_HTTP:
		definition.callback = http_transport_new;
		definition.rpc = 1;
		break;
	case TRANSPORT_SSH:
		definition.callback = ssh_transport_new;
		break;
	case TRANSPORT_LOCAL:
		*out = NULL;
		return 0;
	case TRANSPORT_UNKNOWN:
		return transfer_fail(transfer, ERROR_UNSUPPORTED, "expected http, https, ssh or file");
	}
	int code = git_transport_smart(out, owner, &definition);
	if (code == 0)
		transfer->transport = *out;
	return code;
}

bool transport_fetches_by_id(const struct transfer *transfer)
{
	unsigned capabilities = 0;
	git_transport *transport = transfer->transport;
	return !transport ||
	       (transport->capabilities(&capabilities, transport) == 0 && (capabilities & GIT_REMOTE_CAPABILITY_REACHABLE_OID));
}
