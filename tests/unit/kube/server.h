/*
 * server: starts server.py for a test program and ends it. The tests of src/http and src/kube share it.
 */
#ifndef WEIR_TESTS_UNIT_KUBE_SERVER_H
#define WEIR_TESTS_UNIT_KUBE_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

struct server {
	pid_t pid;
	int input;	  /* closing it ends the server */
	char dir[64];	  /* of the certificates, and for the test's own files */
	char url[64];	  /* http */
	char tls_url[64]; /* https */
	int tls_port;
	char token_port[8]; /* https without client certificates, good for "localhost" */
};

static struct server server;

extern char **environ;

static int server_start(void **state)
{
	(void)state;
	int in[2], out[2];
	(void)snprintf(server.dir, sizeof server.dir, "/tmp/weir-unit-XXXXXX");
	if (mkdtemp(server.dir) == NULL || pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
		return -1;
	/* beside the folder of fixtures, which need not exist */
	AUTOFREE char *script = mem_printf("%.*s/../kube/server.py", (int)(strlen(FIXTURES) - strlen("/fixtures")), FIXTURES);
	char python[] = "python3";
	char *argv[] = { python, script, server.dir, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	int code = posix_spawnp(&server.pid, python, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(in[0]);
	close(out[1]);
	server.input = in[1];
	char line[64] = "";
	size_t len = 0;
	for (ssize_t n; code == 0 && len < sizeof line - 1 && (n = read(out[0], line + len, 1)) == 1 && line[len] != '\n';)
		len++;
	close(out[0]);
	char *rest = NULL;
	long port = strtol(line, &rest, 10);
	server.tls_port = (int)strtol(rest, &rest, 10);
	(void)snprintf(server.token_port, sizeof server.token_port, "%d", (int)strtol(rest, NULL, 10));
	(void)snprintf(server.url, sizeof server.url, "http://127.0.0.1:%ld", port);
	(void)snprintf(server.tls_url, sizeof server.tls_url, "https://127.0.0.1:%d", server.tls_port);
	return port > 0 && server.tls_port > 0 ? 0 : -1;
}

static int server_stop(void **state)
{
	(void)state;
	close(server.input);
	int status = 0;
	(void)waitpid(server.pid, &status, 0);
	DIR *dir = opendir(server.dir);
	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		AUTOFREE char *path = mem_printf("%s/%s", server.dir, entry->d_name);
		(void)unlink(path);
	}
	if (dir != NULL)
		closedir(dir);
	return rmdir(server.dir);
}

/* The path of a file in the server's folder; owned. */
static inline char *server_file(const char *name)
{
	return mem_printf("%s/%s", server.dir, name);
}

static inline void server_write(const char *name, const char *text, mode_t mode)
{
	AUTOFREE char *path = server_file(name);
	(void)unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

#endif
