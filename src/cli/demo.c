/*
 * weir demo: an embedded cluster (src/sim over HTTP), a git repository, an agent, and examples/story.sh, which tells the story and checks
 * every step of it. The agent is this very program, started as a user would.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "sim/sim.h"

enum { FILE_MAX = 4 << 20 };

static bool write_file(const char *path, const char *text, struct error *err)
{
	FILE *out = fopen(path, "we");
	if (out == NULL || fputs(text, out) < 0 || fclose(out) != 0)
		return error_set(err, ERROR_INVALID, "%s: %s", path, strerror(errno));
	return true;
}

static bool read_file(const char *path, char **out, struct error *err)
{
	FILE *in = fopen(path, "re");
	if (in == NULL)
		return error_set(err, ERROR_INVALID, "%s", strerror(errno));
	AUTOBUF text = BUF_INIT;
	char part[4096];
	for (size_t n; text.len < FILE_MAX && (n = fread(part, 1, sizeof part, in)) > 0;)
		buf_append(&text, part, n);
	(void)fclose(in);
	*out = buf_take(&text);
	return true;
}

/* Starts a program; its output goes to a file, or where ours goes if that is NULL. */
static pid_t start(char *const *argv, const char *log)
{
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	if (log != NULL) {
		int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (fd >= 0) {
			(void)dup2(fd, STDOUT_FILENO);
			(void)dup2(fd, STDERR_FILENO);
		}
	}
	(void)execvp(argv[0], argv);
	_exit(127);
}

static int wait_for(pid_t pid)
{
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* A folder that comes with the program: where WEIR_SHARE says, beside the sources this was built from, or installed. Owned, or NULL. */
static char *find_shared(const char *self, const char *what)
{
	AUTOFREE char *dir = mem_strdup(self);
	*strrchr(dir, '/') = '\0';
	const char *given = getenv("WEIR_SHARE");
	char *const places[] = { mem_printf("%s/%s", given == NULL ? "" : given, what), mem_printf("%s/../../%s", dir, what),
				 mem_printf("%s/../share/weir/%s", dir, what) };
	char *found = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (found == NULL && access(places[i], R_OK) == 0)
			found = places[i];
		else
			free(places[i]);
	}
	return found;
}

/* The definitions of the Flink kinds, as an installation has them. The cluster knows the kinds without, but not their schemas. */
static bool define_kinds(const char *self, struct sim *sim, struct error *err)
{
	static const char *const names[] = { "flinkdeployments", "flinksessionjobs", "flinkstatesnapshots" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTOFREE char *what = mem_printf("kustomize/base/crd-%s.yaml", names[i]);
		AUTOFREE char *path = find_shared(self, what);
		AUTOFREE char *text = NULL;
		if (path == NULL)
			(void)fprintf(stderr, "weir: %s is not there, so this cluster does not check %s: set WEIR_SHARE\n", what, names[i]);
		else if (!read_file(path, &text, err) || !sim_load_yaml(sim, text, err))
			return error_wrap(err, "%s", path);
	}
	return true;
}

struct demo {
	char self[PATH_MAX];
	char *examples, *work, *kubeconfig, *repo, *log;
	pid_t agent;
};

static bool prepare(struct demo *d, const struct cli_options *options, uint16_t port, struct error *err)
{
	if (options->work != NULL) {
		d->work = mem_strdup(options->work);
		if (mkdir(d->work, 0755) != 0 && errno != EEXIST)
			return error_set(err, ERROR_INVALID, "%s: %s", d->work, strerror(errno));
	} else {
		d->work = mem_strdup("/tmp/weir-demo-XXXXXX");
		if (mkdtemp(d->work) == NULL)
			return error_set(err, ERROR_INVALID, "%s: %s", d->work, strerror(errno));
	}
	d->kubeconfig = mem_printf("%s/kubeconfig", d->work);
	d->repo = mem_printf("%s/repo.git", d->work);
	d->log = mem_printf("%s/agent.log", d->work);
	AUTOFREE char *text =
		mem_printf("apiVersion: v1\nkind: Config\ncurrent-context: demo\nclusters:\n- name: demo\n  cluster: {server: "
			   "\"http://127.0.0.1:%u\"}\n"
			   "contexts:\n- name: demo\n  context: {cluster: demo, user: demo}\nusers:\n- name: demo\n  user: {}\n",
			   (unsigned)port);
	return write_file(d->kubeconfig, text, err);
}

static bool start_agent(struct demo *d, struct error *err)
{
	AUTOFREE char *url = mem_printf("file://%s", d->repo);
	AUTOFREE char *cache = mem_printf("%s/cache", d->work);
	char *init[] = { "git", "init", "-q", "--bare", "--initial-branch=main", d->repo, NULL };
	if (wait_for(start(init, NULL)) != 0)
		return error_set(err, ERROR_INVALID, "git init failed: is git installed?");
	char *agent[] = { d->self,	    "agent",	    "--repo",		url,	      "--branch", "main",	 "--path",
			  "orders",	    "--kubeconfig", d->kubeconfig,	"--interval", "500ms",	  "--cache-dir", cache,
			  "--stable-after", "1s",	    "--start-deadline", "60s",	      NULL };
	d->agent = start(agent, d->log);
	return d->agent > 0 || error_set(err, ERROR_BUG, "fork: %s", strerror(errno));
}

static int tell(struct demo *d)
{
	AUTOFREE char *script = mem_printf("%s/story.sh", d->examples);
	AUTOFREE char *work = mem_printf("%s/story", d->work);
	AUTOFREE char *url = mem_printf("file://%s", d->repo);
	(void)mkdir(work, 0755);
	(void)setenv("WEIR", d->self, 1);
	(void)setenv("KUBECONFIG", d->kubeconfig, 1);
	(void)setenv("STORY_REPO", d->repo, 1);
	(void)setenv("STORY_WORK", work, 1);
	(void)setenv("STORY_URL", url, 1);
	char *story[] = { "bash", script, NULL };
	return wait_for(start(story, NULL));
}

static void keep_running(const struct demo *d)
{
	(void)printf("\nLeft running. Look inside with:\n  export KUBECONFIG=%s\n  kubectl get flinkdeployments,pods\n  %s status\n"
		     "  git clone %s\nThe agent's log is %s. Ctrl-C ends it.\n",
		     d->kubeconfig, d->self, d->repo, d->log);
	(void)fflush(stdout);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	int got;
	(void)sigwait(&set, &got);
}

static int run(struct demo *d, const struct cli_options *options, struct sim *sim)
{
	struct error err;
	uint16_t port = 0;
	if (!define_kinds(d->self, sim, &err) || !sim_serve(sim, "127.0.0.1", 0, 2.0, &port, &err) || !prepare(d, options, port, &err) ||
	    !start_agent(d, &err))
		return cli_fail(&err);
	int code = tell(d);
	if (code != 0)
		(void)fprintf(stderr, "weir: the story did not go as it should; the agent's log is %s\n", d->log);
	if (options->keep)
		keep_running(d);
	(void)kill(d->agent, SIGTERM);
	(void)wait_for(d->agent);
	return code;
}

int command_demo(int argc, char **argv)
{
	struct cli_options options;
	struct demo d = { 0 };
	if (!cli_parse(argc, argv, &options))
		return 1;
	ssize_t n = readlink("/proc/self/exe", d.self, sizeof d.self - 1);
	const char *given = getenv("WEIR_EXAMPLES");
	d.examples = given != NULL ? mem_strdup(given) : n > 0 ? find_shared(d.self, "examples") : NULL;
	if (d.examples == NULL) {
		(void)fprintf(stderr, "weir: the folder of examples is not there: set WEIR_EXAMPLES\n");
		return 1;
	}
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (options.keep)
		(void)sigprocmask(SIG_BLOCK, &set, NULL);
	struct sim *sim = sim_new(1);
	sim_options(sim)->backoff_ms = 1000;
	int code = run(&d, &options, sim);
	sim_free(sim);
	free(d.examples);
	free(d.work);
	free(d.kubeconfig);
	free(d.repo);
	free(d.log);
	return code;
}
