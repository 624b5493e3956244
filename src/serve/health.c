#include "serve/health.h"

static void put_check(const struct health *health, bool (*check)(void *context, struct buf *why), struct serve_answer *answer)
{
	AUTOBUF why = BUF_INIT;
	bool ok = check == NULL || check(health->context, &why);
	if (!ok)
		answer->status = 503;
	buf_puts(&answer->body, ok ? "ok" : "not ok");
	if (why.len > 0)
		buf_printf(&answer->body, ": %s", buf_text(&why));
	buf_putc(&answer->body, '\n');
}

bool health_handle(void *context, const char *path, struct serve_answer *answer)
{
	const struct health *health = context;
	if (str_eq(path, "/healthz")) {
		put_check(health, health->alive, answer);
	} else if (str_eq(path, "/readyz")) {
		put_check(health, health->ready, answer);
	} else if (str_eq(path, "/metrics")) {
		answer->content_type = METRICS_CONTENT_TYPE;
		metrics_write(health->metrics, &answer->body);
	} else {
		return false;
	}
	return true;
}
