#include "kube/exec_plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/wtime.h"

enum { RUN_MAX_MS = 30000, OUTPUT_MAX = 1 << 20, STDERR_SHOWN = 400, EXPIRY_MARGIN_MS = 10000, REJECT_PAUSE_MS = 5000, ARGS_MAX = 256 };

extern char **environ;

struct exec_plugin {
	char *where, *api_version, *command, *hint;
	char **argv, **envp;  /* end with NULL; strings owned */
	pthread_mutex_t lock; /* guards what follows */
	struct http_credentials have;
	bool valid;
	int64_t expires_ms; /* wall clock, as the plugin tells it; 0: never */
	int64_t run_ms;	    /* monotonic, when it last ran */
};

static void free_list(char **list)
{
	for (char **at = list; at != NULL && *at != NULL; at++)
		free(*at);
	free(list);
}

void exec_plugin_free(void *context)
{
	struct exec_plugin *plugin = context;
	if (plugin == NULL)
		return;
	free(plugin->where);
	free(plugin->api_version);
	free(plugin->command);
	free(plugin->hint);
	free_list(plugin->argv);
	free_list(plugin->envp);
	http_credentials_free(&plugin->have);
	pthread_mutex_destroy(&plugin->lock);
	free(plugin);
}

/* ---- setting up ---- */

static char *exec_info(const char *api_version, const struct node *cluster)
{
	AUTODOC *doc = doc_new();
	struct node *info = node_map(doc);
	node_set_text(doc, info, "apiVersion", api_version);
	node_set_text(doc, info, "kind", "ExecCredential");
	struct node *spec = node_ensure_map(doc, info, "spec");
	node_set(doc, spec, "interactive", node_bool(doc, false));
	if (cluster != NULL)
		node_set(doc, spec, "cluster", node_copy(doc, cluster));
	AUTOBUF text = BUF_INIT;
	node_to_json(info, &text, JSON_COMPACT);
	return buf_take(&text);
}

static bool named(const struct node *env, const char *entry)
{
	if (str_starts(entry, "KUBERNETES_EXEC_INFO="))
		return true;
	for (size_t i = 0; i < node_count(env); i++) {
		const char *name = node_text_or(node_get(node_at(env, i), "name"), "");
		size_t len = strlen(name);
		if (strncmp(entry, name, len) == 0 && entry[len] == '=')
			return true;
	}
	return false;
}

static char **environment(const struct node *env, char *info)
{
	size_t count = 0, n = 0;
	while (environ[count] != NULL)
		count++;
	char **list = mem_array(count + node_count(env) + 2, sizeof *list);
	for (size_t i = 0; i < count; i++) {
		if (!named(env, environ[i]))
			list[n++] = mem_strdup(environ[i]);
	}
	for (size_t i = 0; i < node_count(env); i++) {
		const struct node *one = node_at(env, i);
		list[n++] = mem_printf("%s=%s", node_text_or(node_get(one, "name"), ""), node_text_or(node_get(one, "value"), ""));
	}
	list[n] = mem_printf("KUBERNETES_EXEC_INFO=%s", info);
	return list;
}

bool exec_plugin_new(const struct node *spec, const struct node *cluster, const char *dir, const char *where, struct exec_plugin **out,
		     struct error *err)
{
	const char *version = node_text_or(node_get(spec, "apiVersion"), "");
	const char *command = node_text_or(node_get(spec, "command"), "");
	const struct node *args = node_get(spec, "args");
	if (command[0] == '\0')
		return error_set(err, ERROR_INVALID, "%s.command: expected a program", where);
	if (!str_eq(version, "client.authentication.k8s.io/v1") && !str_eq(version, "client.authentication.k8s.io/v1beta1"))
		return error_set(err, ERROR_UNSUPPORTED, "%s.apiVersion: %.80s: expected client.authentication.k8s.io/v1 or v1beta1", where,
				 version);
	if (str_eq(node_find_text(spec, "interactiveMode"), "Always"))
		return error_set(err, ERROR_UNSUPPORTED, "%s.interactiveMode: Always: there is no terminal", where);
	if (node_count(args) > ARGS_MAX || node_count(node_get(spec, "env")) > ARGS_MAX)
		return error_set(err, ERROR_LIMIT, "%s: more than %d arguments or variables", where, (int)ARGS_MAX);
	struct exec_plugin *plugin = mem_alloc(sizeof *plugin);
	pthread_mutex_init(&plugin->lock, NULL);
	plugin->where = mem_strdup(where);
	plugin->api_version = mem_strdup(version);
	plugin->hint = mem_strdup(node_find_text(spec, "installHint"));
	plugin->command = strchr(command, '/') != NULL && command[0] != '/' ? mem_printf("%s/%s", dir, command) : mem_strdup(command);
	plugin->argv = mem_array(node_count(args) + 2, sizeof *plugin->argv);
	plugin->argv[0] = mem_strdup(plugin->command);
	for (size_t i = 0; i < node_count(args); i++)
		plugin->argv[i + 1] = mem_strdup(node_text_or(node_at(args, i), ""));
	AUTOFREE char *info = exec_info(version, node_truth(node_get(spec, "provideClusterInfo"), false) ? cluster : NULL);
	plugin->envp = environment(node_get(spec, "env"), info);
	*out = plugin;
	return true;
}

/* ---- running ---- */

static int64_t mono_ms(void)
{
	const struct clock clock = clock_real();
	return clock_mono_ms(&clock);
}

static pid_t start(const struct exec_plugin *plugin, int out, int problem, struct error *err)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_adddup2(&actions, problem, 2);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP); /* so that what it starts can be ended with it */
	pid_t pid = -1;
	int code = posix_spawnp(&pid, plugin->command, &actions, &attributes, plugin->argv, plugin->envp);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (code == 0)
		return pid;
	error_set(err, ERROR_FORBIDDEN, "%s: cannot run %s: %s%s%s", plugin->where, plugin->command, strerror(code),
		  plugin->hint != NULL ? ": " : "", plugin->hint != NULL ? plugin->hint : "");
	return -1;
}

/* Reads what is there; false at the end. */
static bool drain(int fd, struct buf *out)
{
	char part[4096];
	ssize_t n = read(fd, part, sizeof part);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (out->len <= OUTPUT_MAX)
		buf_append(out, part, (size_t)n);
	return n > 0;
}

/* Until both are closed; false when the time is over. */
static bool collect(int out_fd, int problem_fd, struct buf *out, struct buf *problem)
{
	const int64_t until = mono_ms() + RUN_MAX_MS;
	struct pollfd fds[] = { { .fd = out_fd, .events = POLLIN }, { .fd = problem_fd, .events = POLLIN } };
	while (fds[0].fd >= 0) { /* a child that it left behind may keep standard error open */
		int64_t left = until - mono_ms();
		if (left <= 0 || out->len > OUTPUT_MAX)
			return false;
		if (poll(fds, 2, (int)left) <= 0)
			continue;
		if (fds[1].revents != 0 && !drain(problem_fd, problem))
			fds[1].fd = -1;
		if (fds[0].revents != 0 && !drain(out_fd, out))
			fds[0].fd = -1;
	}
	return true;
}

/* Waits for the process, for as long as its run may take in all. */
static bool reap(pid_t pid, bool in_time, int *status)
{
	for (int tries = 0; in_time && tries < 200; tries++) {
		pid_t ended = waitpid(pid, status, WNOHANG);
		if (ended == pid)
			return true;
		(void)poll(NULL, 0, 10); /* it has closed its output: it is about to end */
	}
	(void)kill(-pid, SIGKILL);
	(void)waitpid(pid, status, 0);
	return false;
}

static bool run(const struct exec_plugin *plugin, struct buf *out, struct error *err)
{
	int outs[2], problems[2];
	if (pipe2(outs, O_CLOEXEC) != 0)
		return error_set(err, ERROR_TRANSIENT, "%s: no pipe: %s", plugin->where, strerror(errno));
	CLEANUP(close_fd) int out_read = outs[0];
	CLEANUP(close_fd) int out_write = outs[1];
	if (pipe2(problems, O_CLOEXEC) != 0)
		return error_set(err, ERROR_TRANSIENT, "%s: no pipe: %s", plugin->where, strerror(errno));
	CLEANUP(close_fd) int problem_read = problems[0];
	CLEANUP(close_fd) int problem_write = problems[1];
	pid_t pid = start(plugin, out_write, problem_write, err);
	close_fd(&out_write);
	close_fd(&problem_write);
	out_write = problem_write = -1;
	if (pid < 0)
		return false;
	AUTOBUF problem = BUF_INIT;
	int status = 0;
	bool in_time = collect(out_read, problem_read, out, &problem);
	in_time = reap(pid, in_time, &status);
	(void)fcntl(problem_read, F_SETFL, O_NONBLOCK);
	(void)drain(problem_read, &problem);
	if (out->len > OUTPUT_MAX)
		return error_set(err, ERROR_LIMIT, "%s: %s wrote more than %d bytes", plugin->where, plugin->command, (int)OUTPUT_MAX);
	if (!in_time)
		return error_set(err, ERROR_TRANSIENT, "%s: %s did not end within %d s", plugin->where, plugin->command, RUN_MAX_MS / 1000);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return error_set(err, ERROR_FORBIDDEN, "%s: %s failed (%s %d): %.*s", plugin->where, plugin->command,
				 WIFEXITED(status) ? "exit code" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
				 (int)STDERR_SHOWN, buf_text(&problem));
	return true;
}

static bool renew(struct exec_plugin *plugin, struct error *err)
{
	AUTOBUF out = BUF_INIT;
	if (!run(plugin, &out, err))
		return false;
	struct error why = ERROR_INIT;
	AUTODOC *doc = doc_parse_json(buf_text(&out), out.len, plugin->command, NULL, &why);
	const struct node *root = doc != NULL ? doc_root(doc) : NULL;
	if (!str_eq(node_find_text(root, "kind"), "ExecCredential"))
		return error_set(err, ERROR_FORBIDDEN, "%s: %s did not print an ExecCredential: %.300s", plugin->where, plugin->command,
				 why.message);
	if (!str_eq(node_find_text(root, "apiVersion"), plugin->api_version))
		return error_set(err, ERROR_FORBIDDEN, "%s: %s answered with apiVersion %.80s, expected %s", plugin->where, plugin->command,
				 node_text_or(node_get(root, "apiVersion"), "(none)"), plugin->api_version);
	const struct node *status = node_get(root, "status");
	const char *token = node_find_text(status, "token");
	const char *cert = node_find_text(status, "clientCertificateData"), *key = node_find_text(status, "clientKeyData");
	if (token == NULL && (cert == NULL || key == NULL))
		return error_set(err, ERROR_FORBIDDEN, "%s: %s gave neither status.token nor a client certificate with its key",
				 plugin->where, plugin->command);
	const char *expiry = node_find_text(status, "expirationTimestamp");
	int64_t expires_ms = 0;
	if (expiry != NULL && !time_parse_ms(expiry, &expires_ms))
		return error_set(err, ERROR_FORBIDDEN, "%s: %s: status.expirationTimestamp %.60s is not a timestamp", plugin->where,
				 plugin->command, expiry);
	http_credentials_free(&plugin->have);
	plugin->have = (struct http_credentials){ .bearer = mem_strdup(token), .cert_pem = mem_strdup(cert), .key_pem = mem_strdup(key) };
	plugin->expires_ms = expires_ms;
	plugin->valid = true;
	return true;
}

bool exec_plugin_credentials(void *context, bool rejected, struct http_credentials *out, struct error *err)
{
	struct exec_plugin *plugin = context;
	const struct clock clock = clock_real();
	bool good = true;
	pthread_mutex_lock(&plugin->lock);
	/* Several threads can be refused at once: one new run serves them all. */
	bool stale = !plugin->valid || (plugin->expires_ms != 0 && clock_now_ms(&clock) > plugin->expires_ms - EXPIRY_MARGIN_MS) ||
		     (rejected && mono_ms() - plugin->run_ms > REJECT_PAUSE_MS);
	if (stale) {
		good = renew(plugin, err);
		plugin->run_ms = mono_ms();
	}
	if (good)
		*out = (struct http_credentials){ .bearer = mem_strdup(plugin->have.bearer),
						  .cert_pem = mem_strdup(plugin->have.cert_pem),
						  .key_pem = mem_strdup(plugin->have.key_pem) };
	pthread_mutex_unlock(&plugin->lock);
	return good;
}
