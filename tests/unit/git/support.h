/*
 * support: what the tests of src/git share: a scratch directory, the git program, a remote to change, the HTTP server.
 */
#ifndef WEIR_TESTS_GIT_SUPPORT_H
#define WEIR_TESTS_GIT_SUPPORT_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "git/repository.h"
#include "git/revision_tree.h"

#define UNUSED __attribute__((unused))

extern char **environ;

struct world {
	char dir[64]; /* scratch, removed at the end */
	char *work;   /* a working copy that pushes to `remote` */
	char *remote; /* bare */
	char *caches;
};

UNUSED static pid_t spawn_shell(const char *command, int in, int out)
{
	char *argv[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-ec", (char *)(uintptr_t)command, NULL };
	posix_spawn_file_actions_t files;
	posix_spawn_file_actions_init(&files);
	if (in >= 0)
		posix_spawn_file_actions_adddup2(&files, in, 0);
	if (out >= 0)
		posix_spawn_file_actions_adddup2(&files, out, 1);
	pid_t pid = -1;
	assert_int_equal(posix_spawnp(&pid, "sh", &files, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&files);
	return pid;
}

/* Runs a shell command and gives its output without the last line's end. */
__attribute__((format(printf, 1, 2))) UNUSED static char *run(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	AUTOBUF command = BUF_INIT;
	buf_vprintf(&command, format, args);
	va_end(args);
	int out[2];
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid_t pid = spawn_shell(buf_text(&command), -1, out[1]);
	close(out[1]);
	struct buf text = BUF_INIT;
	char data[4096];
	for (ssize_t n; (n = read(out[0], data, sizeof(data))) > 0;)
		buf_append(&text, data, (size_t)n);
	close(out[0]);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("%s: status %d: %s", buf_text(&command), status, buf_text(&text));
	while (text.len > 0 && text.data[text.len - 1] == '\n')
		text.data[--text.len] = 0;
	return buf_take(&text);
}

#define RUN(...)                                      \
	do {                                          \
		char *run_output_ = run(__VA_ARGS__); \
		free(run_output_);                    \
	} while (0)

/* Writes deploy/orders.yaml with this text, commits and pushes; the commit's id. */
UNUSED static char *world_commit(struct world *w, const char *text)
{
	return run("cd %s && mkdir -p deploy && printf '%%s' '%s' >deploy/orders.yaml && git add -A && git commit -qm '%s' && "
		   "git push -qf origin HEAD 2>&1 && git rev-parse HEAD",
		   w->work, text, text);
}

UNUSED static int world_setup(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));
	snprintf(w->dir, sizeof(w->dir), "/tmp/weir-git-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->work = mem_printf("%s/work", w->dir);
	w->remote = mem_printf("%s/remote.git", w->dir);
	w->caches = mem_printf("%s/caches", w->dir);
	RUN("git init -q --bare -b main %s && git init -q -b main %s && cd %s && git remote add origin %s", w->remote, w->work, w->work,
	    w->remote);
	free(world_commit(w, "one"));
	*state = w;
	return 0;
}

UNUSED static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
	(void)info;
	(void)type;
	(void)ftw;
	return remove(path);
}

UNUSED static int world_teardown(void **state)
{
	struct world *w = *state;
	nftw(w->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(w->work);
	free(w->remote);
	free(w->caches);
	free(w);
	return 0;
}

/* An environment in which nothing of the machine's configuration counts. */
UNUSED static void world_environment(void)
{
	static const char *const unwanted[] = { "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy",
						"ALL_PROXY",  "no_proxy",    "NO_PROXY",   "GIT_DIR",	  "GIT_WORK_TREE" };
	for (size_t i = 0; i < ARRAY_SIZE(unwanted); i++)
		unsetenv(unwanted[i]);
	setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	setenv("GIT_AUTHOR_NAME", "T", 1);
	setenv("GIT_AUTHOR_EMAIL", "t@example.com", 1);
	setenv("GIT_COMMITTER_NAME", "T", 1);
	setenv("GIT_COMMITTER_EMAIL", "t@example.com", 1);
}

UNUSED static struct repository *world_open(struct world *w, const struct git_source *source)
{
	struct error err = ERROR_INIT;
	struct repository *r = repository_open(w->caches, source, &err);
	if (!r)
		fail_msg("open: %s", err.message);
	return r;
}

UNUSED static void expect_poll(struct repository *r, const char *expected, bool expected_change)
{
	struct error err = ERROR_INIT;
	char commit[41] = "";
	bool changed = !expected_change;
	if (!repository_poll(r, commit, &changed, &err))
		fail_msg("poll: %s: %s", error_kind_name(err.kind), err.message);
	assert_string_equal(commit, expected);
	assert_string_equal(repository_commit(r), expected);
	assert_int_equal(changed, expected_change);
}

UNUSED static void expect_poll_fails(struct repository *r, enum error_kind kind, const char *part)
{
	struct error err = ERROR_INIT;
	char commit[41] = "untouched";
	bool changed = true;
	AUTOFREE char *before = mem_strdup(repository_commit(r));
	assert_false(repository_poll(r, commit, &changed, &err));
	if (err.kind != kind || !strstr(err.message, part))
		fail_msg("expected %s \"%s\", got %s: %s", error_kind_name(kind), part, error_kind_name(err.kind), err.message);
	assert_string_equal(repository_commit(r), before);
	assert_string_equal(commit, "untouched");
}

UNUSED static void expect_stats(struct repository *r, uint64_t listings, uint64_t fetches)
{
	struct repository_stats stats = repository_last_stats(r);
	assert_int_equal(stats.listings, listings);
	assert_int_equal(stats.fetches, fetches);
}

UNUSED static void expect_file(struct repository *r, const char *path, const char *content)
{
	struct error err = ERROR_INIT;
	struct revision_tree tree = { 0 };
	if (!revision_tree_read(r, repository_commit(r), "", &tree, &err))
		fail_msg("read: %s", err.message);
	const struct revision_file *file = revision_tree_find(&tree, path);
	assert_non_null(file);
	assert_string_equal(file->data, content);
	revision_tree_free(&tree);
}

UNUSED static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct server {
	pid_t pid;
	int hold; /* its standard input: closing it ends the server */
	int port;
};

UNUSED static struct server server_start(struct world *w, const char *options)
{
	struct server server;
	int in[2], out[2];
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	AUTOFREE char *command = mem_printf("exec python3 " FIXTURES "/http_server.py --root %s %s", w->dir, options);
	server.pid = spawn_shell(command, in[0], out[1]);
	server.hold = in[1];
	close(in[0]);
	close(out[1]);
	char text[32] = "";
	size_t len = 0;
	for (ssize_t n; len < sizeof(text) - 1 && !strchr(text, '\n') && (n = read(out[0], text + len, sizeof(text) - 1 - len)) > 0;)
		len += (size_t)n;
	close(out[0]);
	server.port = (int)strtol(text, NULL, 10);
	assert_true(server.port > 0);
	return server;
}

UNUSED static void server_stop(struct server *server)
{
	close(server->hold);
	assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
}

#endif
