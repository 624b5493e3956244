#include <string.h>

#include "base/mem.h"
#include "kube/kube_private.h"

static enum error_kind kind_of(const struct kube_call *call, int status)
{
	bool reads = call->harmless || strcmp(call->method, "GET") == 0 || strcmp(call->method, "HEAD") == 0;
	switch (status) {
	case 401:
	case 403:
		return ERROR_FORBIDDEN;
	case 404:
		return ERROR_NOT_FOUND;
	case 405:
	case 406:
		return ERROR_UNSUPPORTED;
	case 408:
		return reads ? ERROR_TRANSIENT : ERROR_UNKNOWN_OUTCOME;
	case 409:
		return ERROR_CONFLICT;
	case 410:
		return ERROR_EXPIRED;
	case 413:
		return ERROR_LIMIT;
	case 429:
	case 503:
		return ERROR_TRANSIENT;
	default:
		if (status >= 500)
			return reads ? ERROR_TRANSIENT : ERROR_UNKNOWN_OUTCOME;
		return status >= 400 ? ERROR_INVALID : ERROR_UNSUPPORTED;
	}
}

/* "field .spec.replicas is owned by \"kubectl\" using apps/v1; ..."; false if these are no field conflicts. */
static bool put_managers(struct buf *text, const struct node *status)
{
	const struct node *causes = node_find(status, "details/causes");
	size_t shown = 0;
	for (size_t i = 0; i < node_count(causes); i++) {
		const struct node *cause = node_at(causes, i);
		if (!str_eq(node_find_text(cause, "reason"), "FieldManagerConflict"))
			continue;
		const char *message = node_text_or(node_get(cause, "message"), "");
		if (str_starts(message, "conflict with "))
			message += strlen("conflict with ");
		buf_printf(text, "%sfield %s is owned by %s", shown++ > 0 ? "; " : "", node_text_or(node_get(cause, "field"), "?"),
			   message);
	}
	return shown > 0;
}

static void put_status(struct buf *text, const struct node *status, int code)
{
	const char *reason = node_text_or(node_get(status, "reason"), "");
	buf_printf(text, "%d%s%s: ", code, reason[0] != '\0' ? " " : "", reason);
	if (code == 409 && put_managers(text, status))
		return;
	buf_puts(text, node_text_or(node_get(status, "message"), "no message"));
}

/* Server-side apply answers 500 when the object does not fit the schema; nothing was written then. */
static bool is_untyped(const struct node *root, int status)
{
	return status == 500 && str_starts(node_text_or(node_get(root, "message"), ""), "failed to create typed patch object");
}

bool kube_status_error(const struct kube_call *call, int status, const char *body, size_t len, int64_t retry_after_ms, struct error *err)
{
	AUTODOC *doc = doc_parse_json(body, len, NULL, NULL, NULL);
	const struct node *root = doc != NULL ? doc_root(doc) : NULL;
	AUTOBUF text = BUF_INIT;
	if (str_eq(node_find_text(root, "kind"), "Status")) {
		put_status(&text, root, status);
		if (retry_after_ms == 0)
			retry_after_ms = node_integer(node_find(root, "details/retryAfterSeconds"), 0) * 1000;
	} else if (status == 404) {
		buf_puts(&text, "404: the server does not know this path (is the CRD installed?)");
	} else {
		buf_printf(&text, "%d: ", status);
		for (size_t i = 0; i < len && i < 300; i++)
			buf_putc(&text, (unsigned char)body[i] < ' ' ? ' ' : body[i]);
	}
	enum error_kind kind = is_untyped(root, status) ? ERROR_INVALID : kind_of(call, status);
	if (call->what != NULL)
		error_set(err, kind, "%s: %s", call->what, buf_text(&text));
	else
		error_set(err, kind, "%s %s: %s", call->method, call->path, buf_text(&text));
	if (err != NULL) {
		err->http_status = status;
		err->retry_after_ms = retry_after_ms > 0 ? retry_after_ms : 0;
	}
	return false;
}

bool kube_event_error(const struct node *status, struct error *err)
{
	int code = (int)node_integer(node_get(status, "code"), 500);
	const struct kube_call call = { .method = "GET" };
	AUTOBUF text = BUF_INIT;
	put_status(&text, status, code);
	error_set(err, kind_of(&call, code), "%s", buf_text(&text));
	if (err != NULL) {
		err->http_status = code;
		err->retry_after_ms = node_integer(node_find(status, "details/retryAfterSeconds"), 0) * 1000;
	}
	return false;
}
