/* The real ssh and a real sshd on loopback, with keys, host keys and known_hosts of the test's own. */
#include <arpa/inet.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>

#include "support.h"

static const char *const sshd_path = "/usr/sbin/sshd";
static const char *const kinds[] = { "rsa", "ed25519" };

struct sshd {
	pid_t pid;
	int port;
};

static int free_port(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof address;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static bool answers(int port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)port),
				       .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	bool ok = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
	close(fd);
	return ok;
}

/* A server whose only host key is of that kind; the keys in `authorized` may come in. */
static struct sshd sshd_start(struct world *w, const char *kind)
{
	struct sshd sshd = { .port = free_port() };
	RUN("cat >%s/sshd_config <<END\nListenAddress 127.0.0.1\nPort %d\nHostKey %s/host_%s\nAuthorizedKeysFile "
	    "%s/authorized\nStrictModes no\n"
	    "UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nPidFile none\nEND\n"
	    "[ $(id -u) -ne 0 ] || mkdir -p /run/sshd", /* where it locks its unprivileged part in; it asks for it */
	    w->dir, sshd.port, w->dir, kind, w->dir);
	AUTOFREE char *command = mem_printf("exec %s -D -E %s/sshd.log -f %s/sshd_config", sshd_path, w->dir, w->dir);
	sshd.pid = spawn_shell(command, -1, -1);
	for (int64_t until = now_ms() + 10000; !answers(sshd.port);) {
		if (now_ms() > until || waitpid(sshd.pid, NULL, WNOHANG) != 0) {
			AUTOFREE char *log = run("cat %s/sshd.log", w->dir);
			fail_msg("sshd does not start: %s", log);
		}
		(void)poll(NULL, 0, 10);
	}
	return sshd;
}

static void sshd_stop(const struct sshd *sshd)
{
	(void)kill(sshd->pid, SIGTERM);
	assert_int_equal(waitpid(sshd->pid, NULL, 0), sshd->pid);
}

static struct repository *open_with(struct world *w, const struct sshd *sshd, const char *key, const char *known)
{
	AUTOFREE char *url = mem_printf("ssh://%s@127.0.0.1:%d%s", getpwuid(getuid())->pw_name, sshd->port, w->remote);
	AUTOFREE char *name = mem_printf("%s-%s", key, known);
	AUTOFREE char *key_path = mem_printf("%s/%s", w->dir, key), *known_path = mem_printf("%s/%s", w->dir, known);
	return world_open(
		w,
		&(struct git_source){
			.name = name, .url = url, .branch = "main", .ssh_key = key_path, .known_hosts = known_path, .timeout_ms = 20000 });
}

static void note_host(struct world *w, const struct sshd *sshd, const char *kind, const char *file)
{
	RUN("printf '[127.0.0.1]:%d %%s\\n' \"$(cut -d' ' -f1,2 %s/host_%s.pub)\" >%s/%s", sshd->port, w->dir, kind, w->dir, file);
}

static void test_keys(void **state)
{
	struct world *w = *state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct sshd sshd = sshd_start(w, kinds[i]);
		note_host(w, &sshd, kinds[i], "known");
		note_host(w, &sshd, kinds[1 - i], "mistaken"); /* it is another key that stands there for this host */
		RUN(": >%s/empty", w->dir);
		AUTOFREE char *one = world_commit(w, kinds[i]);
		AUTOFREE char *key = mem_printf("user_%s", kinds[i]);
		AUTOREPOSITORY *good = open_with(w, &sshd, key, "known");
		expect_poll(good, one, true);
		expect_file(good, "deploy/orders.yaml", kinds[i]);
		expect_poll(good, one, false);
		AUTOREPOSITORY *stranger = open_with(w, &sshd, "stranger", "known");
		expect_poll_fails(stranger, ERROR_FORBIDDEN, "Permission denied (publickey)");
		AUTOREPOSITORY *mistaken = open_with(w, &sshd, key, "mistaken");
		expect_poll_fails(mistaken, ERROR_FORBIDDEN, "Host key verification failed");
		AUTOREPOSITORY *unknown = open_with(w, &sshd, key, "empty");
		expect_poll_fails(unknown, ERROR_FORBIDDEN, "Host key verification failed");
		sshd_stop(&sshd);
		expect_poll_fails(good, ERROR_TRANSIENT, "Connection refused");
	}
}

static int keys_setup(void **state)
{
	if (access(sshd_path, X_OK) != 0) {
		print_message("SKIPPED: %s is not there (package openssh-server)\n", sshd_path);
		return getenv("WEIR_CI") != NULL ? -1 : 0;
	}
	assert_int_equal(world_setup(state), 0);
	struct world *w = *state;
	RUN("cd %s && for kind in rsa ed25519; do for name in host user; do ssh-keygen -q -t $kind -N '' -f ${name}_$kind; done; done && "
	    "ssh-keygen -q -t ed25519 -N '' -f stranger && cat user_*.pub >authorized && chmod 755 .",
	    w->dir);
	return 0;
}

static void test_keys_if_possible(void **state)
{
	if (*state == NULL)
		skip();
	test_keys(state);
}

static int keys_teardown(void **state)
{
	return *state == NULL ? 0 : world_teardown(state);
}

int main(void)
{
	world_environment();
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_keys_if_possible, keys_setup, keys_teardown) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
