#include <pthread.h>

#include "support.h"

#define WRONG "0123456789012345678901234567890123456789"

static char *url_of(const struct server *server, const char *prefix)
{
	return mem_printf("http://127.0.0.1:%d%s/remote.git", server->port, prefix);
}

static char *head_of(struct world *w)
{
	return run("git -C %s rev-parse main", w->remote);
}

static void test_fetches_incrementally(void **state)
{
	struct world *w = *state;
	struct server server = server_start(w, "");
	AUTOFREE char *url = url_of(&server, "");
	AUTOFREE char *one = head_of(w);
	RUN("cd %s && head -c 300000 /dev/urandom >big && git add big && git commit -qm big && git push -q origin HEAD 2>&1", w->work);
	AUTOFREE char *big = head_of(w);
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = url, .branch = "main" });
	expect_poll(r, big, true);
	expect_poll(r, big, false);
	expect_stats(r, 2, 1);
	uint64_t before = repository_last_stats(r).bytes;
	assert_true(before > 300000);
	AUTOFREE char *two = world_commit(w, "two");
	expect_poll(r, two, true);
	expect_stats(r, 3, 2);
	expect_file(r, "deploy/orders.yaml", "two");
	assert_true(repository_last_stats(r).bytes - before < 10000);

	AUTOREPOSITORY *fixed = world_open(w, &(struct git_source){ .name = "fixed", .url = url, .commit = one });
	expect_poll(fixed, one, true);
	expect_file(fixed, "deploy/orders.yaml", "one");
	AUTOREPOSITORY *wrong = world_open(w, &(struct git_source){ .name = "wrong", .url = url, .commit = WRONG });
	expect_poll_fails(wrong, ERROR_NOT_FOUND, "is not behind any branch or tag");
	AUTOREPOSITORY *none = world_open(w, &(struct git_source){ .name = "none", .url = url, .branch = "x" });
	expect_poll_fails(none, ERROR_NOT_FOUND, "no branch x");
	server_stop(&server);
	expect_poll_fails(r, ERROR_TRANSIENT, "list refs: http://127.0.0.1");
	expect_file(r, "deploy/orders.yaml", "two");
}

static void test_commit_by_id(void **state)
{
	struct world *w = *state;
	struct server server = server_start(w, "");
	AUTOFREE char *url = url_of(&server, "");
	RUN("git -C %s config uploadpack.allowReachableSHA1InWant true", w->remote);
	AUTOFREE char *one = head_of(w);
	free(world_commit(w, "two"));
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = url, .commit = one });
	expect_poll(r, one, true);
	AUTOREPOSITORY *wrong = world_open(w, &(struct git_source){ .name = "wrong", .url = url, .commit = WRONG });
	expect_poll_fails(wrong, ERROR_NOT_FOUND, "does not hand out commit " WRONG);
	server_stop(&server);
}

static void test_many_rounds_of_negotiation(void **state)
{
	struct world *w = *state;
	struct server server = server_start(w, "");
	AUTOFREE char *url = url_of(&server, "");
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = url, .branch = "main" });
	RUN("cd %s && for i in $(seq 100); do git commit -q --allow-empty -m $i; done && git push -q origin HEAD 2>&1", w->work);
	AUTOFREE char *hundred = head_of(w);
	expect_poll(r, hundred, true);
	RUN("cd %s && git checkout -q --orphan other && git branch -qD main && git branch -qm main", w->work);
	AUTOFREE char *other = world_commit(w, "other");
	expect_poll(r, other, true); /* nothing in common */
	server_stop(&server);
}

static void test_credentials(void **state)
{
	struct world *w = *state;
	AUTOFREE char *one = head_of(w);
	struct server server = server_start(w, "--basic 'us:s e@cret'");
	AUTOFREE char *url = url_of(&server, "");
	AUTOFREE char *with = mem_printf("http://us:s%%20e%%40cret@127.0.0.1:%d/remote.git", server.port);
	AUTOFREE char *bad = mem_printf("http://us:s3cr3t@127.0.0.1:%d/remote.git", server.port);
	AUTOREPOSITORY *none = world_open(w, &(struct git_source){ .name = "none", .url = url });
	expect_poll_fails(none, ERROR_FORBIDDEN, "HTTP 401 (credentials are needed)");
	AUTOREPOSITORY *good = world_open(w, &(struct git_source){ .name = "good", .url = url, .user = "us", .password = "s e@cret" });
	expect_poll(good, one, true);
	AUTOREPOSITORY *in_url = world_open(w, &(struct git_source){ .name = "in-url", .url = with });
	expect_poll(in_url, one, true);
	AUTOREPOSITORY *wrong = world_open(w, &(struct git_source){ .name = "wrong", .url = bad });
	struct error err = ERROR_INIT;
	char commit[41];
	bool changed;
	assert_false(repository_poll(wrong, commit, &changed, &err));
	assert_int_equal(err.kind, ERROR_FORBIDDEN);
	assert_int_equal(err.http_status, 401);
	assert_null(strstr(err.message, "s3cr3t"));
	server_stop(&server);
}

static void test_token_files(void **state)
{
	struct world *w = *state;
	AUTOFREE char *one = head_of(w);
	AUTOFREE char *token = mem_printf("%s/token", w->dir);
	struct server server = server_start(w, "--basic x-access-token:t0ken");
	AUTOFREE char *url = url_of(&server, "");
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = url, .token_file = token });
	expect_poll_fails(r, ERROR_INVALID, "token: cannot be opened");
	RUN(": >%s", token);
	expect_poll_fails(r, ERROR_INVALID, "expected one line");
	RUN("echo old >%s", token);
	expect_poll_fails(r, ERROR_FORBIDDEN, "are not accepted");
	RUN("echo t0ken >%s", token); /* rotated: no restart needed */
	expect_poll(r, one, true);
	server_stop(&server);

	server = server_start(w, "--bearer t0ken");
	AUTOFREE char *other = url_of(&server, "");
	AUTOREPOSITORY *b = world_open(w, &(struct git_source){ .name = "b", .url = other, .token_file = token, .token_bearer = true });
	expect_poll(b, one, true);
	server_stop(&server);
}

static void expect_failure(struct world *w, const struct server *server, const char *prefix, enum error_kind kind, const char *part)
{
	AUTOFREE char *url = url_of(server, prefix);
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = url });
	expect_poll_fails(r, kind, part);
}

static void test_answers(void **state)
{
	struct world *w = *state;
	AUTOFREE char *one = head_of(w);
	struct server server = server_start(w, "");
	AUTOFREE char *moved = url_of(&server, "/moved");
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = moved });
	expect_poll(r, one, true); /* the POST goes to where the listing was found */
	expect_failure(w, &server, "/elsewhere", ERROR_INVALID, "only redirects of the ref listing on the same host");
	expect_failure(w, &server, "/moved/moved/moved/moved/moved/moved/moved", ERROR_INVALID, "more than 5 redirects");
	expect_failure(w, &server, "/none", ERROR_NOT_FOUND, "HTTP 404");
	expect_failure(w, &server, "/status/403", ERROR_FORBIDDEN, "HTTP 403");
	expect_failure(w, &server, "/status/500", ERROR_TRANSIENT, "HTTP 500: because");
	expect_failure(w, &server, "/status/429", ERROR_TRANSIENT, "HTTP 429");
	expect_failure(w, &server, "/html", ERROR_INVALID, "no smart git server: content type text/html");
	AUTOFREE char *flood = url_of(&server, "/flood");
	AUTOREPOSITORY *flooded = world_open(w, &(struct git_source){ .name = "f", .url = flood, .max_fetch_bytes = 1 << 20 });
	expect_poll_fails(flooded, ERROR_LIMIT, "more than the 1048576 bytes");
	struct error err = ERROR_INIT;
	char commit[41];
	bool changed;
	AUTOFREE char *busy = url_of(&server, "/status/503");
	AUTOREPOSITORY *later = world_open(w, &(struct git_source){ .name = "l", .url = busy });
	assert_false(repository_poll(later, commit, &changed, &err));
	assert_int_equal(err.retry_after_ms, 7000);
	server_stop(&server);
}

static void expect_timeout(struct world *w, const char *url, const char *part)
{
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "t", .url = url, .timeout_ms = 700 });
	int64_t start = now_ms();
	expect_poll_fails(r, ERROR_TRANSIENT, part);
	assert_in_range(now_ms() - start, 500, 10000);
}

static void test_hangs_end_in_time(void **state)
{
	struct world *w = *state;
	struct server server = server_start(w, "--deaf");
	AUTOFREE char *deaf = url_of(&server, "");
	expect_timeout(w, deaf, "list refs: ");
	AUTOFREE char *deaf_tls = mem_printf("https://127.0.0.1:%d/remote.git", server.port);
	expect_timeout(w, deaf_tls, "list refs: ");
	server_stop(&server);
	server = server_start(w, "");
	AUTOFREE char *headers = url_of(&server, "/hang/headers");
	expect_timeout(w, headers, "list refs: ");
	AUTOFREE char *listing = url_of(&server, "/hang/listing");
	expect_timeout(w, listing, "list refs: ");
	AUTOFREE char *pack = url_of(&server, "/hang/pack");
	RUN("cd %s && head -c 300000 /dev/urandom >big && git add big && git commit -qm big && git push -q origin HEAD 2>&1", w->work);
	expect_timeout(w, pack, "fetch: ");
	server_stop(&server);
}

static void *cancel_soon(void *repository)
{
	nanosleep(&(struct timespec){ .tv_nsec = 50 * 1000 * 1000 }, NULL);
	repository_cancel(repository);
	return NULL;
}

static void test_cancel_ends_a_poll(void **state)
{
	struct world *w = *state;
	struct server server = server_start(w, "--deaf");
	AUTOFREE char *url = url_of(&server, "");
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = url, .timeout_ms = 60000 });
	pthread_t thread;
	int64_t start = now_ms();
	pthread_create(&thread, NULL, cancel_soon, r);
	expect_poll_fails(r, ERROR_TRANSIENT, "cancelled");
	pthread_join(thread, NULL);
	assert_true(now_ms() - start < 5000);
	server_stop(&server);
}

/* A certificate authority and, signed by it, one for the server and one for a client, with keys of this kind. */
static void make_certificates(struct world *w, const char *kind)
{
	RUN("cd %s && rm -rf tls && mkdir tls && cd tls && exec 2>/dev/null && "
	    "new() { openssl genpkey -algorithm %s -out $1.key; } && new ca && "
	    "openssl req -x509 -new -key ca.key -subj /CN=authority -days 2 -out ca.crt && "
	    "printf 'subjectAltName=IP:127.0.0.1' >ext && for name in server client; do new $name && "
	    "openssl req -new -key $name.key -subj /CN=$name -out $name.csr && "
	    "openssl x509 -req -in $name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out $name.crt; done",
	    w->dir, kind);
}

static void test_tls(void **state)
{
	struct world *w = *state;
	AUTOFREE char *one = head_of(w);
	AUTOFREE char *ca = mem_printf("%s/tls/ca.crt", w->dir);
	AUTOFREE char *cert = mem_printf("%s/tls/client.crt", w->dir);
	AUTOFREE char *key = mem_printf("%s/tls/client.key", w->dir);
	static const char *const kinds[] = { "rsa -pkeyopt rsa_keygen_bits:2048", "ed25519" };
	static const char *const extras[] = { "", "--tls13", "--client-ca" };
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		make_certificates(w, kinds[k]);
		for (size_t e = 0; e < ARRAY_SIZE(extras); e++) {
			bool client = e == 2;
			AUTOFREE char *options = mem_printf("--cert %s/tls/server.crt --key %s/tls/server.key %s %s", w->dir, w->dir,
							    extras[e], client ? ca : "");
			struct server server = server_start(w, options);
			AUTOFREE char *url = mem_printf("https://127.0.0.1:%d/remote.git", server.port);
			AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a",
										.url = url,
										.ca_file = ca,
										.client_cert = client ? cert : NULL,
										.client_key = client ? key : NULL });
			expect_poll(r, one, true);
			AUTOREPOSITORY *stranger = world_open(w, &(struct git_source){ .name = "s", .url = url });
			expect_poll_fails(stranger, ERROR_INVALID, "certificate");
			if (client) {
				AUTOREPOSITORY *bare = world_open(w, &(struct git_source){ .name = "b", .url = url, .ca_file = ca });
				expect_poll_fails(bare, ERROR_TRANSIENT, "list refs: https://127.0.0.1");
			}
			server_stop(&server);
		}
	}
	/* another authority's certificates, and a protocol that is too old */
	make_certificates(w, kinds[0]);
	AUTOFREE char *options = mem_printf("--cert %s/tls/server.crt --key %s/tls/server.key --tls11", w->dir, w->dir);
	struct server server = server_start(w, options);
	AUTOFREE char *url = mem_printf("https://127.0.0.1:%d/remote.git", server.port);
	AUTOREPOSITORY *old = world_open(w, &(struct git_source){ .name = "old", .url = url, .ca_file = ca });
	expect_poll_fails(old, ERROR_TRANSIENT, "list refs: https://127.0.0.1");
	server_stop(&server);
}

static void test_redirects_between_schemes(void **state)
{
	struct world *w = *state;
	AUTOFREE char *one = head_of(w);
	AUTOFREE char *ca = mem_printf("%s/tls/ca.crt", w->dir);
	make_certificates(w, "ed25519");
	AUTOFREE char *options = mem_printf("--cert %s/tls/server.crt --key %s/tls/server.key", w->dir, w->dir);
	struct server secure = server_start(w, options);
	struct server plain = server_start(w, "");
	AUTOFREE char *up = mem_printf("http://127.0.0.1:%d/to/https/%d/remote.git", plain.port, secure.port);
	AUTOFREE char *down = mem_printf("https://127.0.0.1:%d/to/http/%d/remote.git", secure.port, plain.port);
	AUTOREPOSITORY *upwards = world_open(w, &(struct git_source){ .name = "up", .url = up, .ca_file = ca });
	expect_poll(upwards, one, true);
	AUTOREPOSITORY *downwards = world_open(w, &(struct git_source){ .name = "down", .url = down, .ca_file = ca });
	expect_poll_fails(downwards, ERROR_INVALID, "HTTP 301 to http://127.0.0.1");
	server_stop(&plain);
	server_stop(&secure);
}

static void test_proxy(void **state)
{
	struct world *w = *state;
	AUTOFREE char *one = head_of(w);
	struct server server = server_start(w, "");
	AUTOFREE char *proxy = mem_printf("http://127.0.0.1:%d", server.port);
	AUTOFREE char *url = url_of(&server, "");
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = "http://git.invalid/remote.git", .proxy = proxy });
	expect_poll(r, one, true);
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	AUTOREPOSITORY *environment = world_open(w, &(struct git_source){ .name = "e", .url = url });
	expect_poll_fails(environment, ERROR_TRANSIENT, "list refs");
	AUTOREPOSITORY *none = world_open(w, &(struct git_source){ .name = "n", .url = url, .proxy = "" });
	expect_poll(none, one, true);
	unsetenv("http_proxy");
	server_stop(&server);
}

/* Damage that only the next fetch meets: after two failures that nothing else explains, everything is fetched anew. */
static void test_lost_history_is_fetched_anew(void **state)
{
	struct world *w = *state;
	AUTOFREE char *one = head_of(w);
	AUTOFREE char *two = world_commit(w, "two");
	struct server server = server_start(w, "");
	AUTOFREE char *url = url_of(&server, "");
	AUTOREPOSITORY *r = world_open(w, &(struct git_source){ .name = "a", .url = url, .branch = "main" });
	expect_poll(r, two, true);
	repository_close(r);
	RUN("cd %s/*[0-9a-f] && mv objects/pack/*.pack p && rm -f objects/pack/* && git unpack-objects -q <p && "
	    "rm -f objects/$(echo %s | cut -c1-2)/$(echo %s | cut -c3-)",
	    w->caches, one, one);
	r = world_open(w, &(struct git_source){ .name = "a", .url = url, .branch = "main" });
	expect_poll(r, two, false);
	AUTOFREE char *three = world_commit(w, "three");
	expect_poll_fails(r, ERROR_TRANSIENT, "fetch");
	expect_file(r, "deploy/orders.yaml", "two");
	expect_poll_fails(r, ERROR_TRANSIENT, "fetch");
	expect_poll(r, three, true);
	expect_file(r, "deploy/orders.yaml", "three");
	server_stop(&server);
}

static void *poll_often(void *context)
{
	struct repository *r = context;
	struct error err = ERROR_INIT;
	char commit[41];
	bool changed;
	for (int i = 0; i < 5; i++) {
		if (!repository_poll(r, commit, &changed, &err))
			return mem_strdup(err.message);
		struct revision_tree tree;
		if (!revision_tree_read(r, commit, "", &tree, &err))
			return mem_strdup(err.message);
		revision_tree_free(&tree);
	}
	return NULL;
}

static void test_several_at_once(void **state)
{
	enum { COUNT = 4 };
	struct world *w = *state;
	struct server server = server_start(w, "");
	AUTOFREE char *url = url_of(&server, "");
	struct repository *list[COUNT];
	pthread_t threads[COUNT];
	static const char *const names[COUNT] = { "a", "b", "c", "d" };
	for (size_t i = 0; i < COUNT; i++) {
		list[i] = world_open(w, &(struct git_source){ .name = names[i], .url = i % 2 ? url : w->remote });
		pthread_create(&threads[i], NULL, poll_often, list[i]);
	}
	for (size_t i = 0; i < COUNT; i++) {
		void *problem;
		pthread_join(threads[i], &problem);
		if (problem)
			fail_msg("%s: %s", names[i], (char *)problem);
		repository_close(list[i]);
	}
	server_stop(&server);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	world_environment();
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_fetches_incrementally),
		WORLD_TEST(test_commit_by_id),
		WORLD_TEST(test_many_rounds_of_negotiation),
		WORLD_TEST(test_credentials),
		WORLD_TEST(test_token_files),
		WORLD_TEST(test_answers),
		WORLD_TEST(test_hangs_end_in_time),
		WORLD_TEST(test_cancel_ends_a_poll),
		WORLD_TEST(test_tls),
		WORLD_TEST(test_redirects_between_schemes),
		WORLD_TEST(test_proxy),
		WORLD_TEST(test_lost_history_is_fetched_anew),
		WORLD_TEST(test_several_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
