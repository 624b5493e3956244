#include "git/transport.h"
#include "support.h"

/* A program in ssh's place: notes its arguments, then does what `body` says. */
static char *fake_ssh(struct world *w, const char *body)
{
	AUTOFREE char *path = mem_printf("%s/ssh", w->dir);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file, "#!/bin/sh\nprintf '%%s\\n' \"$@\" >%s/args\nfor last; do :; done\n%s\n", w->dir, body);
	fclose(file);
	assert_int_equal(chmod(path, 0700), 0);
	return TAKE(path);
}

static char *url_of(struct world *w)
{
	return mem_printf("ssh://git@example.com:2222%s", w->remote);
}

static void test_fetches(void **state)
{
	struct world *w = *state;
	AUTOFREE char *ssh = fake_ssh(w, "eval \"$last\"");
	AUTOFREE char *url = url_of(w);
	AUTOFREE char *one = run("git -C %s rev-parse main", w->remote);
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a",
								.url = url,
								.branch = "main",
								.ssh_command = ssh,
								.ssh_key = "/keys/id",
								.known_hosts = "/keys/known",
								.timeout_ms = 5000 });
	expect_poll(r, one, true);
	expect_poll(r, one, false);
	expect_stats(r, 2, 1);
	AUTOFREE char *args = run("cat %s/args", w->dir);
	AUTOFREE char *expected =
		mem_printf("-o\nBatchMode=yes\n-o\nStrictHostKeyChecking=yes\n-o\nClearAllForwardings=yes\n-o\n"
			   "ControlMaster=no\n-o\nConnectTimeout=5\n-o\nUserKnownHostsFile=\"/keys/known\"\n-o\n"
			   "GlobalKnownHostsFile=/dev/null\n-o\nIdentitiesOnly=yes\n-i\n/keys/id\n-p\n2222\n-l\ngit\n-T\n--\n"
			   "example.com\ngit-upload-pack '%s'",
			   w->remote);
	assert_string_equal(args, expected);
	RUN("cd %s && head -c 500000 /dev/urandom >big && git add big && for i in $(seq 100); do git commit -q --allow-empty -m $i; done "
	    "&& "
	    "git push -q origin HEAD 2>&1",
	    w->work);
	AUTOFREE char *big = run("git -C %s rev-parse main", w->remote);
	expect_poll(r, big, true);
	AUTOFREE char *two = world_commit(w, "two");
	expect_poll(r, two, true);
	expect_file(r, "deploy/orders.yaml", "two");
	assert_in_range(repository_last_stats(r).bytes, 500000, 530000);
}

static void expect_complaint(struct world *w, const char *body, enum error_kind kind, const char *part)
{
	AUTOFREE char *ssh = fake_ssh(w, body);
	AUTOFREE char *url = url_of(w);
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = url, .ssh_command = ssh });
	expect_poll_fails(r, kind, part);
}

static void test_failures(void **state)
{
	struct world *w = *state;
	expect_complaint(w, "echo 'git@h: Permission denied (publickey).' >&2; exit 255", ERROR_FORBIDDEN, "Permission denied (publickey)");
	expect_complaint(w, "echo 'Host key verification failed.' >&2; exit 255", ERROR_FORBIDDEN, "Host key verification failed");
	expect_complaint(w, "echo 'ssh: connect to host h port 22: Connection refused' >&2; exit 255", ERROR_TRANSIENT,
			 "Connection refused");
	expect_complaint(w, "git-upload-pack /nowhere", ERROR_NOT_FOUND, "does not appear to be a git repository");
	expect_complaint(w, "exit 1", ERROR_TRANSIENT, "gave no reason");
	expect_complaint(w, "echo; echo welcome to this machine", ERROR_TRANSIENT, "list refs");
	AUTOFREE char *url = url_of(w);
	AUTOREPOSITORY *none = world_open(w, &(struct git_source){ .name = "n", .url = url, .ssh_command = "/nowhere/ssh" });
	expect_poll_fails(none, ERROR_INVALID, "/nowhere/ssh cannot be started");
}

static void test_hangs_end_and_are_reaped(void **state)
{
	struct world *w = *state;
	static const char *const bodies[] = { "echo $$ >%s/pid; sleep 1000 & wait",
					      "echo $$ >%s/pid; eval \"$last\" | (head -c 60; sleep 1000)" };
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		AUTOBUF body = BUF_INIT;
		const char *mark = strstr(bodies[i], "%s");
		buf_append(&body, bodies[i], (size_t)(mark - bodies[i]));
		buf_printf(&body, "%s%s", w->dir, mark + 2);
		AUTOFREE char *ssh = fake_ssh(w, buf_text(&body));
		AUTOFREE char *url = url_of(w);
		AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = url, .ssh_command = ssh, .timeout_ms = 400 });
		int64_t start = now_ms();
		expect_poll_fails(r, ERROR_TRANSIENT, "not done within 400 ms");
		assert_in_range(now_ms() - start, 300, 10000);
		AUTOFREE char *pid = run("cat %s/pid", w->dir);
		errno = 0;
		assert_int_equal(kill((pid_t)strtol(pid, NULL, 10), 0), -1); /* no process and no zombie */
		assert_int_equal(errno, ESRCH);
	}
}

static void expect_address(const char *url, const char *user, const char *host, const char *port, const char *path)
{
	struct error err = ERROR_INIT;
	struct ssh_address a;
	if (!ssh_address_parse(url, &a, &err))
		fail_msg("%s: %s", url, err.message);
	if (!str_eq(a.user, user) || !str_eq(a.host, host) || !str_eq(a.port, port) || !str_eq(a.path, path))
		fail_msg("%s: %s %s %s %s", url, a.user, a.host, a.port, a.path);
	ssh_address_free(&a);
}

static void test_addresses(void **state)
{
	(void)state;
	expect_address("ssh://git@h:22/a/b.git", "git", "h", "22", "/a/b.git");
	expect_address("ssh://h/~me/b", NULL, "h", NULL, "~me/b");
	expect_address("ssh://u:pw@[::1]:2200/b", "u", "::1", "2200", "/b");
	expect_address("ssh://[::1]/b", NULL, "::1", NULL, "/b");
	expect_address("git@h:a/b c.git", "git", "h", NULL, "a/b c.git");
	expect_address("h:/abs", NULL, "h", NULL, "/abs");
	static const char *const wrong[] = { "ssh://h",	   "ssh://h/", "ssh:///x", "ssh://-h/x", "ssh://-u@h/x", "ssh://h:22x/x",
					     "ssh://h:/x", "git@h:",   "git@h:-x", "-oX@h:x",	 "ssh://a b/x" };
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct error err = ERROR_INIT;
		struct ssh_address a;
		if (ssh_address_parse(wrong[i], &a, &err))
			fail_msg("%s is accepted", wrong[i]);
		assert_int_equal(err.kind, ERROR_INVALID);
	}
}

static void test_quoting(void **state)
{
	struct world *w = *state;
	AUTOFREE char *ssh = fake_ssh(w, "eval \"$last\"");
	RUN("mkdir \"%s/it's; touch x\" && cp -r %s \"%s/it's; touch x/r.git\"", w->dir, w->remote, w->dir);
	AUTOFREE char *url = mem_printf("git@example.com:%s/it's; touch x/r.git", w->dir);
	AUTOFREE char *one = run("git -C %s rev-parse main", w->remote);
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = url, .ssh_command = ssh });
	expect_poll(r, one, true);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	world_environment();
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_fetches),   WORLD_TEST(test_failures), WORLD_TEST(test_hangs_end_and_are_reaped),
		WORLD_TEST(test_addresses), WORLD_TEST(test_quoting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
