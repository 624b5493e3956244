#include "fixture.h"

#include "kube/watch.h"

/* Writes events down as "+a ~a -a(uid) =". */
static void write_down(void *context, enum kube_watch_type type, const struct node *object)
{
	static const char signs[] = { '+', '~', '-', '=' };
	struct buf *log = context;
	buf_printf(log, "%c%s", signs[type], node_text_or(node_find(object, "metadata/name"), ""));
	if (type == KUBE_WATCH_DELETED)
		buf_printf(log, "(%s)", node_text_or(node_find(object, "metadata/uid"), ""));
	buf_putc(log, ' ');
	assert_null(node_find(object, "metadata/managedFields"));
}

/* Steps until as much was written as expected; errors on the way are counted. */
static int step_until(struct kube_watch *watch, struct buf *log, const char *expected)
{
	int errors = 0;
	buf_clear(log);
	for (int i = 0; i < 100 && log->len < strlen(expected); i++) {
		struct error err = ERROR_INIT;
		if (!kube_watch_step(watch, 1000, write_down, log, &err)) {
			assert_int_equal(err.kind, ERROR_TRANSIENT);
			errors++;
		}
	}
	assert_string_equal(buf_text(log), expected);
	return errors;
}

static void test_life(void **state)
{
	(void)state;
	struct kube_watch *watch = kube_watch_new(kube, &config_maps, "watch", NULL);
	AUTOBUF log = BUF_INIT;
	assert_int_equal(step_until(watch, &log, "+a +b = "), 0);
	assert_int_equal(kube_watch_count(watch), 2);
	assert_int_equal(step_until(watch, &log, "+c "), 0);
	/* the server ended the watch; resumed from the bookmark, until the version expires */
	assert_int_equal(step_until(watch, &log, "~a "), 0);
	/* listed anew: b vanished, and c is another one */
	assert_int_equal(step_until(watch, &log, "~a -c(uid-c) +c -b(uid-b) = "), 0);
	assert_int_equal(kube_watch_count(watch), 2);
	assert_int_equal(step_until(watch, &log, "-a(uid-a) "), 0);
	/* then the connection breaks, the next watch ends without a word, and the one after that is silent */
	int errors = 0;
	for (int i = 0; i < 20 && errors < 2; i++)
		errors += kube_watch_step(watch, 1000, write_down, &log, NULL) ? 0 : 1;
	assert_int_equal(errors, 2);
	buf_clear(&log);
	assert_true(kube_watch_step(watch, 10, write_down, &log, NULL));
	assert_int_equal(log.len, 0);
	assert_int_equal(kube_watch_count(watch), 1);
	kube_watch_free(watch);
}

static void test_refused(void **state)
{
	(void)state;
	struct kube_watch *watch = kube_watch_new(kube, &config_maps, "status-403", NULL);
	AUTOBUF log = BUF_INIT;
	struct error err = ERROR_INIT;
	assert_false(kube_watch_step(watch, 10, write_down, &log, &err));
	assert_int_equal(err.kind, ERROR_FORBIDDEN);
	assert_int_equal(log.len, 0);
	kube_watch_free(watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_life), cmocka_unit_test(test_refused) };
	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
