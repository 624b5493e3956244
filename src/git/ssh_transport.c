/*
 * The ssh subtransport: one `ssh` process for each connected remote, in a process group of its own, that runs git-upload-pack there. Its
 * standard input is a socket (so that a write to a dead ssh is an error and no signal), its outputs are pipes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "git/transport.h"

extern char **environ;

enum { CONNECT_S = 10, GRACE_MS = 500, COMPLAINT_BYTES = 4 << 10, CHUNK_BYTES = 64 << 10, ARGS_MAX = 32 };

struct ssh_stream {
	git_smart_subtransport_stream parent;
	struct ssh_sub *sub;
	pid_t pid;
	int in, out, complaints; /* ours of the process's three ends; -1 once closed */
	struct buf got;		 /* read ahead while writing, from `at` on */
	size_t at;
	struct buf complaint; /* what ssh said on standard error */
};

struct ssh_sub {
	git_smart_subtransport parent;
	struct transfer *transfer;
	struct ssh_stream *stream; /* the one, freed by libgit2 */
	bool failed;
};

static void drop(int *fd)
{
	close_fd(fd);
	*fd = -1;
}

static void read_complaints(struct ssh_stream *s)
{
	char data[1024];
	ssize_t n;
	while (s->complaints >= 0 && (n = read(s->complaints, data, sizeof(data))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		size_t room = COMPLAINT_BYTES - s->complaint.len;
		buf_append(&s->complaint, data, (size_t)n < room ? (size_t)n : room);
	}
	if (s->complaints >= 0)
		drop(&s->complaints);
}

/* What it said, as one line of printable characters; of a long speech the last lines, which name the reason. */
static void complaint_text(const struct ssh_stream *s, char *out, size_t size)
{
	size_t len = 0, from = 0;
	while (s->complaint.len - from >= size) {
		const char *end = memchr(s->complaint.data + from, '\n', s->complaint.len - from - size / 2);
		from = end != NULL ? (size_t)(end - s->complaint.data) + 1 : s->complaint.len - size + 1;
	}
	for (size_t i = from; i < s->complaint.len; i++) {
		char c = s->complaint.data[i];
		if (c == '\n' || c == '\r')
			c = ' ';
		if (c >= 32 && c < 127)
			out[len++] = c;
	}
	while (len > 0 && out[len - 1] == ' ')
		len--;
	out[len] = 0;
}

static int fail_ended(struct ssh_stream *s)
{
	char text[512];
	struct transfer *transfer = s->sub->transfer;
	s->sub->failed = true;
	if (transfer->err.kind != ERROR_NONE)
		return -1;
	for (int i = 0; i < 20 && s->complaints >= 0; i++) { /* its last words may come after the end of its output */
		struct pollfd wait = { .fd = s->complaints, .events = POLLIN };
		if (poll(&wait, 1, 50) > 0)
			read_complaints(s);
		else if (s->complaint.len > 0)
			break;
	}
	complaint_text(s, text, sizeof(text));
	enum error_kind kind = ERROR_TRANSIENT;
	if (strstr(text, "Permission denied") || strstr(text, "Host key verification failed") || strstr(text, "Load key"))
		kind = ERROR_FORBIDDEN;
	else if (strstr(text, "does not appear to be a git repository") || strcasestr(text, "repository not found"))
		kind = ERROR_NOT_FOUND;
	return transfer_fail(transfer, kind, "ssh ended: %s", text[0] ? text : "it gave no reason");
}

/* Waits for ssh to have something, or to take something if `writing`; 0 to go on, -1 and noted after the deadline. */
static int stream_wait(struct ssh_stream *s, bool writing)
{
	int64_t left = transfer_left_ms(s->sub->transfer);
	if (left == 0) {
		s->sub->failed = true;
		return -1;
	}
	struct pollfd fds[3] = { { .fd = s->out, .events = POLLIN },
				 { .fd = s->complaints, .events = POLLIN },
				 { .fd = writing ? s->in : -1, .events = POLLOUT } };
	poll(fds, 3, left < 100 ? (int)left : 100);
	if (fds[1].revents)
		read_complaints(s);
	return 0;
}

/* Takes what there is: 1 something came, 0 nothing now, -1 the end or a failure. */
static int stream_take(struct ssh_stream *s)
{
	char data[CHUNK_BYTES];
	ssize_t n = read(s->out, data, sizeof(data));
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return -1;
	if (!transfer_count(s->sub->transfer, (size_t)n))
		return -1;
	buf_append(&s->got, data, (size_t)n);
	return 1;
}

static int stream_read(git_smart_subtransport_stream *stream, char *out, size_t size, size_t *got)
{
	struct ssh_stream *s = (struct ssh_stream *)stream;
	*got = 0;
	if (s->at == s->got.len) {
		s->at = 0;
		buf_clear(&s->got);
	}
	while (s->got.len == 0) {
		int took = stream_take(s);
		if (took < 0)
			return fail_ended(s);
		if (took == 0 && stream_wait(s, false) < 0)
			return -1;
	}
	size_t len = s->got.len - s->at < size ? s->got.len - s->at : size;
	memcpy(out, s->got.data + s->at, len);
	s->at += len;
	*got = len;
	return 0;
}

static int stream_write(git_smart_subtransport_stream *stream, const char *data, size_t len)
{
	struct ssh_stream *s = (struct ssh_stream *)stream;
	if (s->sub->failed)
		return -1;
	while (len > 0) {
		ssize_t n = send(s->in, data, len, MSG_NOSIGNAL);
		if (n > 0) {
			data += n;
			len -= (size_t)n;
			continue;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return fail_ended(s);
		if (stream_take(s) < 0) /* it may not read before it was read from */
			return fail_ended(s);
		if (stream_wait(s, true) < 0)
			return -1;
	}
	return 0;
}

/* Ends the process: gently if all went well, else its whole group at once. It is reaped in any case. */
static void stream_reap(struct ssh_stream *s)
{
	drop(&s->in);
	bool gone = false;
	int watch = s->sub->failed ? -1 : pidfd_open(s->pid, 0);
	if (watch >= 0) {
		struct pollfd wait = { .fd = watch, .events = POLLIN };
		gone = poll(&wait, 1, GRACE_MS) > 0;
		close(watch);
	}
	if (!gone)
		kill(-s->pid, SIGKILL);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	drop(&s->out);
	drop(&s->complaints);
}

static void stream_free(git_smart_subtransport_stream *stream)
{
	struct ssh_stream *s = (struct ssh_stream *)stream;
	if (s->pid > 0)
		stream_reap(s);
	s->sub->stream = NULL;
	buf_free(&s->got);
	buf_free(&s->complaint);
	free_ptr(&s);
}

static void put_quoted(struct buf *out, const char *text)
{
	buf_putc(out, '\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '!')
			buf_printf(out, "'\\%c'", *text);
		else
			buf_putc(out, *text);
	}
	buf_putc(out, '\'');
}

struct args {
	char *list[ARGS_MAX];
	size_t count;
};

static void add_arg(struct args *args, char *owned)
{
	if (args->count < ARGS_MAX - 1)
		args->list[args->count++] = owned;
	else
		free_ptr(&owned);
}

static void add_option(struct args *args, char *owned)
{
	add_arg(args, mem_strdup("-o"));
	add_arg(args, owned);
}

static void free_args(struct args *args)
{
	for (size_t i = 0; i < args->count; i++)
		free_ptr(&args->list[i]);
}

static void build_args(struct args *args, const struct git_source *source, const struct ssh_address *address, int64_t left)
{
	long connect = left < CONNECT_S * 1000 ? (long)(left + 999) / 1000 : CONNECT_S; /* 0 would mean no limit */
	add_arg(args, mem_strdup(source->ssh_command));
	add_option(args, mem_strdup("BatchMode=yes"));
	add_option(args, mem_strdup("StrictHostKeyChecking=yes"));
	add_option(args, mem_strdup("ClearAllForwardings=yes"));
	add_option(args, mem_strdup("ControlMaster=no"));
	add_option(args, mem_printf("ConnectTimeout=%ld", connect));
	if (source->known_hosts) {
		add_option(args, mem_printf("UserKnownHostsFile=\"%s\"", source->known_hosts));
		add_option(args, mem_strdup("GlobalKnownHostsFile=/dev/null"));
	}
	if (source->ssh_key) {
		add_option(args, mem_strdup("IdentitiesOnly=yes"));
		add_arg(args, mem_strdup("-i"));
		add_arg(args, mem_strdup(source->ssh_key));
	}
	if (address->port) {
		add_arg(args, mem_strdup("-p"));
		add_arg(args, mem_strdup(address->port));
	}
	const char *user = source->user ? source->user : address->user;
	if (user) {
		add_arg(args, mem_strdup("-l"));
		add_arg(args, mem_strdup(user));
	}
	add_arg(args, mem_strdup("-T"));
	add_arg(args, mem_strdup("--"));
	add_arg(args, mem_strdup(address->host));
	struct buf command = BUF_INIT;
	buf_puts(&command, "git-upload-pack ");
	put_quoted(&command, address->path);
	add_arg(args, buf_take(&command));
}

static int spawn(struct ssh_stream *s, char **argv, int in, int out, int complaints)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, defaults;
	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGTERM);
	sigaddset(&defaults, SIGINT);
	sigaddset(&defaults, SIGCHLD);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	posix_spawn_file_actions_adddup2(&files, complaints, 2);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	int failed = posix_spawnp(&s->pid, argv[0], &files, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	if (!failed)
		return 0;
	s->pid = 0;
	return transfer_fail(s->sub->transfer, ERROR_INVALID, "%s cannot be started: %s", argv[0], strerror(failed));
}

static int stream_open(struct ssh_stream *s, const char *url)
{
	struct transfer *transfer = s->sub->transfer;
	struct ssh_address address;
	struct error err = ERROR_INIT;
	if (!ssh_address_parse(url, &address, &err))
		return transfer_fail(transfer, err.kind, "%s", err.message);
	struct args args = { 0 };
	build_args(&args, transfer->source, &address, transfer_left_ms(transfer));
	ssh_address_free(&address);
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, complaints[2] = { -1, -1 };
	int result = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(complaints, O_CLOEXEC) < 0)
		transfer_fail(transfer, ERROR_TRANSIENT, "no pipes for ssh: %s", strerror(errno));
	else
		result = spawn(s, args.list, in[1], out[1], complaints[1]);
	free_args(&args);
	drop(&in[1]);
	drop(&out[1]);
	drop(&complaints[1]);
	s->in = in[0];
	s->out = out[0];
	s->complaints = complaints[0];
	if (result < 0) {
		drop(&s->in);
		drop(&s->out);
		drop(&s->complaints);
		return -1;
	}
	fcntl(s->in, F_SETFL, O_NONBLOCK);
	fcntl(s->out, F_SETFL, O_NONBLOCK);
	fcntl(s->complaints, F_SETFL, O_NONBLOCK);
	return 0;
}

static int ssh_action(git_smart_subtransport_stream **out, git_smart_subtransport *subtransport, const char *url,
		      git_smart_service_t action)
{
	struct ssh_sub *sub = (struct ssh_sub *)subtransport;
	if (action != GIT_SERVICE_UPLOADPACK_LS && action != GIT_SERVICE_UPLOADPACK)
		return transfer_fail(sub->transfer, ERROR_BUG, "only fetching is possible");
	if (!sub->stream) {
		if (action != GIT_SERVICE_UPLOADPACK_LS)
			return transfer_fail(sub->transfer, ERROR_BUG, "a fetch without a ref listing before it");
		struct ssh_stream *s = mem_alloc(sizeof(*s));
		s->parent.subtransport = subtransport;
		s->parent.read = stream_read;
		s->parent.write = stream_write;
		s->parent.free = stream_free;
		s->sub = sub;
		s->in = s->out = s->complaints = -1;
		if (stream_open(s, url) < 0) {
			free_ptr(&s);
			return -1;
		}
		sub->stream = s;
	}
	*out = &sub->stream->parent;
	return 0;
}

static int ssh_close(git_smart_subtransport *subtransport)
{
	(void)subtransport; /* the process ends with its stream */
	return 0;
}

static void ssh_free(git_smart_subtransport *subtransport)
{
	struct ssh_sub *sub = (struct ssh_sub *)subtransport;
	free_ptr(&sub);
}

int ssh_transport_new(git_smart_subtransport **out, git_transport *owner, void *param)
{
	(void)owner;
	struct ssh_sub *sub = mem_alloc(sizeof(*sub));
	sub->parent.action = ssh_action;
	sub->parent.close = ssh_close;
	sub->parent.free = ssh_free;
	sub->transfer = param;
	*out = &sub->parent;
	return 0;
}
