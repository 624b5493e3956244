#include "server.h"

#include "base/doc.h"
#include "http/http_curl.h"
#include "kube/kubeconfig.h"

static bool open_text(const char *text, const char *context, struct kube_access *access, struct error *err)
{
	server_write("config", text, 0600);
	AUTOFREE char *file = server_file("config");
	const struct kubeconfig_options options = { .file = file, .context = context };
	return kube_access_open(&options, access, err);
}

static int ask(const struct kube_access *access, const char *path, struct doc **out)
{
	const struct http_request request = { .method = "GET", .path = path };
	AUTORESPONSE answer = { 0 };
	struct error err = ERROR_INIT;
	if (!http_send(access->http, &request, &answer, &err))
		fail_msg("%s", err.message);
	if (out != NULL)
		*out = doc_parse_json(buf_text(&answer.body), answer.body.len, "answer", NULL, &err);
	return answer.status;
}

static char *config(const char *server_url, const char *cluster, const char *user)
{
	return mem_printf("apiVersion: v1\nkind: Config\ncurrent-context: c\n"
			  "clusters: [{name: k, cluster: {server: '%s', %s}}]\nusers: [{name: u, user: {%s}}]\n"
			  "contexts: [{name: c, context: {cluster: k, user: u, namespace: team}},\n"
			  "{name: d, context: {cluster: k, user: u}}]\n",
			  server_url, cluster, user);
}

static void test_token(void **state)
{
	(void)state;
	struct kube_access access = { 0 };
	struct error err = ERROR_INIT;
	AUTOFREE char *text = config(server.url, "", "token: good");
	assert_true(open_text(text, NULL, &access, &err));
	assert_string_equal(access.ns, "team");
	assert_string_equal(access.context, "c");
	assert_string_equal(access.server, server.url);
	assert_int_equal(ask(&access, "/auth", NULL), 200);
	kube_access_close(&access);
	assert_true(open_text(text, "d", &access, &err));
	assert_string_equal(access.ns, "default");
	kube_access_close(&access);

	server_write("mytoken", "good", 0600);
	AUTOFREE char *relative = config(server.url, "", "tokenFile: mytoken, token: bad");
	assert_true(open_text(relative, NULL, &access, &err));
	assert_int_equal(ask(&access, "/auth", NULL), 200);
	kube_access_close(&access);

	AUTOFREE char *basic = config(server.url, "", "username: me, password: pw");
	assert_true(open_text(basic, NULL, &access, &err));
	AUTODOC *doc = NULL;
	assert_int_equal(ask(&access, "/echo", &doc), 200);
	assert_string_equal(node_find_text(doc_root(doc), "headers/authorization"), "Basic bWU6cHc=");
	kube_access_close(&access);
}

static char *base64_of(const char *name)
{
	AUTOFREE char *path = server_file(name);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	char text[8192];
	size_t len = fread(text, 1, sizeof text, file);
	(void)fclose(file);
	AUTOBUF out = BUF_INIT;
	buf_put_base64(&out, text, len);
	return buf_take(&out);
}

static void test_client_certificate(void **state)
{
	(void)state;
	struct kube_access access = { 0 };
	struct error err = ERROR_INIT;
	AUTOFREE char *files = config(server.tls_url, "certificate-authority: ca.pem, tls-server-name: api.test",
				      "client-certificate: client.pem, client-key: client.key.pem");
	assert_true(open_text(files, NULL, &access, &err));
	assert_int_equal(ask(&access, "/echo", NULL), 200);
	kube_access_close(&access);

	AUTOFREE char *ca = base64_of("ca.pem"), *cert = base64_of("client.pem"), *key = base64_of("client.key.pem");
	AUTOFREE char *cluster = mem_printf("certificate-authority-data: %s, tls-server-name: api.test", ca);
	AUTOFREE char *user = mem_printf("client-certificate-data: %s, client-key-data: %s", cert, key);
	AUTOFREE char *data = config(server.tls_url, cluster, user);
	assert_true(open_text(data, NULL, &access, &err));
	assert_int_equal(ask(&access, "/echo", NULL), 200);
	kube_access_close(&access);

	AUTOFREE char *insecure = config(server.tls_url, "insecure-skip-tls-verify: true", user);
	assert_true(open_text(insecure, NULL, &access, &err));
	assert_int_equal(ask(&access, "/echo", NULL), 200);
	kube_access_close(&access);
}

/* The plugin notes each run in a file; its second run knows the good token. */
static const char *const plugin = "#!/bin/sh\ncd \"$(dirname \"$0\")\" && echo run >> runs\n"
				  "token=$1; [ $(grep -c . runs) -gt 1 ] && token=good\n"
				  "case $KUBERNETES_EXEC_INFO in *'\"server\"'*) ;; *) echo no cluster >&2; exit 3;; esac\n"
				  "echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",'"
				  "'\"status\":{'$MORE'"
				  "\"token\":\"'$token'\"}}'\n";

static size_t runs(void)
{
	AUTOFREE char *path = server_file("runs");
	FILE *file = fopen(path, "re");
	size_t count = 0;
	for (int c; file != NULL && (c = fgetc(file)) != EOF;)
		count += c == '\n';
	if (file != NULL)
		(void)fclose(file);
	return count;
}

static char *exec_config(const char *arg, const char *env)
{
	AUTOFREE char *user = mem_printf("exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, args: [%s], "
					 "provideClusterInfo: true, interactiveMode: Never, env: [%s]}",
					 arg, env);
	return config(server.url, "", user);
}

static void test_exec_plugin(void **state)
{
	(void)state;
	struct kube_access access = { 0 };
	struct error err = ERROR_INIT;
	server_write("plugin", plugin, 0700);
	server_write("runs", "", 0600);
	AUTOFREE char *good = exec_config("good", "");
	assert_true(open_text(good, NULL, &access, &err));
	for (int i = 0; i < 3; i++)
		assert_int_equal(ask(&access, "/auth", NULL), 200);
	assert_int_equal(runs(), 1); /* cached */
	kube_access_close(&access);

	server_write("runs", "", 0600);
	AUTOFREE char *expiring = exec_config("stale", "{name: MORE, value: '\"expirationTimestamp\":\"2020-01-01T00:00:00Z\",'}");
	assert_true(open_text(expiring, NULL, &access, &err));
	assert_int_equal(ask(&access, "/auth", NULL), 200); /* 401 with the first, then run again */
	assert_int_equal(runs(), 2);
	kube_access_close(&access);

	server_write("plugin", "#!/bin/sh\necho not logged in >&2; exit 4\n", 0700);
	assert_true(open_text(good, NULL, &access, &err));
	const struct http_request request = { .method = "POST", .path = "/echo" };
	AUTORESPONSE answer = { 0 };
	assert_false(http_send(access.http, &request, &answer, &err));
	assert_int_equal(err.kind, ERROR_FORBIDDEN);
	assert_non_null(strstr(err.message, "failed (exit code 4): not logged in"));
	kube_access_close(&access);
	server_write("plugin", "#!/bin/sh\necho '{}'\n", 0700);
	assert_true(open_text(good, NULL, &access, &err));
	assert_false(http_send(access.http, &request, &answer, &err));
	assert_non_null(strstr(err.message, "did not print an ExecCredential"));
	kube_access_close(&access);
}

static void test_service_account(void **state)
{
	(void)state;
	AUTOFREE char *ca = server_file("ca.crt");
	AUTOFREE char *pem = server_file("ca.pem");
	server_write("token", "good\n", 0600);
	server_write("namespace", "weir-system\n", 0600);
	(void)unlink(ca);
	assert_int_equal(link(pem, ca), 0);
	unsetenv("KUBECONFIG");
	setenv("HOME", server.dir, 1);
	const struct kubeconfig_options options = { .service_account_dir = server.dir };
	struct kube_access access = { 0 };
	struct error err = ERROR_INIT;
	unsetenv("KUBERNETES_SERVICE_HOST");
	assert_false(kube_access_open(&options, &access, &err));
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	setenv("KUBERNETES_SERVICE_HOST", "::1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "6443", 1);
	assert_true(kube_access_open(&options, &access, &err));
	assert_string_equal(access.ns, "weir-system");
	assert_string_equal(access.server, "https://[::1]:6443");
	kube_access_close(&access);

	/* and for real: by that authority's TLS, with the token, which is read anew when it was replaced */
	setenv("KUBERNETES_SERVICE_HOST", "localhost", 1);
	setenv("KUBERNETES_SERVICE_PORT", server.token_port, 1);
	server_write("token", "old\n", 0600);
	assert_true(kube_access_open(&options, &access, &err));
	assert_int_equal(ask(&access, "/auth", NULL), 401);
	server_write("token", "good\n", 0600);
	assert_int_equal(ask(&access, "/auth", NULL), 200);
	kube_access_close(&access);
	unsetenv("KUBERNETES_SERVICE_HOST");
}

static void test_merged_files(void **state)
{
	(void)state;
	AUTOFREE char *list = mem_printf("%s/one:%s/absent:%s/two", server.dir, server.dir, server.dir);
	AUTOFREE char *two = config(server.url, "", "token: good");
	server_write("one", "current-context: d\nusers: [{name: u, user: {token: bad}}]\n", 0600);
	server_write("two", two, 0600);
	setenv("KUBECONFIG", list, 1);
	struct kube_access access = { 0 };
	struct error err = ERROR_INIT;
	assert_true(kube_access_open(NULL, &access, &err));
	assert_string_equal(access.context, "d");
	assert_int_equal(ask(&access, "/auth", NULL), 401); /* the first file's user wins */
	kube_access_close(&access);
	unsetenv("KUBECONFIG");
}

static void test_errors(void **state)
{
	(void)state;
	static const struct {
		const char *cluster, *user, *message;
		enum error_kind kind;
	} cases[] = {
		{ "", "client-key-data: '*'", "users[u].user.client-key-data: expected base64", ERROR_INVALID },
		{ "certificate-authority: absent.pem", "", "absent.pem: cannot read the certificate authority", ERROR_INVALID },
		{ "", "auth-provider: {name: gcp}", "auth-provider", ERROR_UNSUPPORTED },
		{ "", "exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}", "exec.apiVersion", ERROR_UNSUPPORTED },
		{ "", "exec: {apiVersion: client.authentication.k8s.io/v1}", "exec.command: expected a program", ERROR_INVALID },
		{ "", "client-certificate: ca.pem", "needed together", ERROR_INVALID },
	};
	struct kube_access access = { 0 };
	struct error err = ERROR_INIT;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTOFREE char *text = config(server.url, cases[i].cluster, cases[i].user);
		assert_false(open_text(text, NULL, &access, &err));
		assert_int_equal(err.kind, cases[i].kind);
		if (strstr(err.message, cases[i].message) == NULL)
			fail_msg("%s", err.message);
	}
	assert_false(open_text("a: [", NULL, &access, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
	assert_false(open_text("current-context: nope\n", NULL, &access, &err));
	assert_non_null(strstr(err.message, "no entry named nope in contexts"));
	assert_null(access.http);
}

static int start(void **state)
{
	setenv("no_proxy", "*", 1);
	return server_start(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_token),		cmocka_unit_test(test_client_certificate), cmocka_unit_test(test_exec_plugin),
		cmocka_unit_test(test_service_account), cmocka_unit_test(test_merged_files),	   cmocka_unit_test(test_errors),
	};
	return cmocka_run_group_tests(tests, start, server_stop);
}
