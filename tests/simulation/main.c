/*
 * simulation_run: schedules from seeds, each against the invariants; see README.md. --seed N replays one to the letter.
 */
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "world.h"

enum { HANG_S = 120, SHRINK_ROUNDS = 6 };

static struct coverage *coverage;
static char scratch[] = "/tmp/weir-simulation-XXXXXX";
static struct {
	bool verbose, keep_going, aim, no_shrink;
	uint64_t first, schedules, seed;
	bool one;
	int64_t soak_s;
	int jobs;
	bool crashes;
	int every;
	const char *fixture_dir;
} options = { .schedules = 1000, .first = 1, .jobs = 2, .every = 1 };

static int64_t seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static bool run_world(struct world *w, char why[900])
{
	w->scratch = scratch;
	alarm(HANG_S);
	bool ok = world_run(w);
	alarm(0);
	(void)snprintf(why, 900, "%s", w->why);
	world_free(w);
	return ok;
}

static bool run(const struct course *s, bool verbose, bool counted, char why[900])
{
	struct world *w = mem_alloc(sizeof *w);
	w->schedule = s;
	w->verbose = verbose;
	w->coverage = counted ? coverage : NULL;
	bool ok = run_world(w, why);
	free(w);
	return ok;
}

/* ---- shrinking ---- */

/* "invariant N" or the first words: a smaller schedule has to fail in the same way. */
static bool same_kind(const char *a, const char *b)
{
	return strncmp(a, b, 11) == 0;
}

static void shrink(struct course *s, char why[900])
{
	char other[900];
	bool smaller = true;
	for (int round = 0; round < SHRINK_ROUNDS && smaller; round++) {
		smaller = false;
		for (int i = s->count; i-- > 0;) {
			struct course less = *s;
			memmove(&less.steps[i], &less.steps[i + 1], (size_t)(less.count - i - 1) * sizeof less.steps[0]);
			less.count--;
			if (run(&less, false, false, other) || !same_kind(why, other))
				continue;
			*s = less;
			(void)snprintf(why, 900, "%s", other);
			smaller = true;
		}
	}
}

static void report(struct course *s, const char *label, char why[900])
{
	AUTOBUF text = BUF_INIT;
	if (!options.no_shrink)
		shrink(s, why);
	schedule_print(s, &text);
	(void)printf("\n%s FAILED: %s\n%s", label, why, buf_text(&text));
	if (options.fixture_dir != NULL) {
		AUTOFREE char *file = mem_printf("%s/seed-%llu.txt", options.fixture_dir, (unsigned long long)s->seed);
		FILE *out = fopen(file, "we");
		if (out != NULL) {
			(void)fprintf(out, "# %s\n%s", why, buf_text(&text));
			(void)fclose(out);
			(void)printf("written to %s\n", file);
		}
	}
	(void)fflush(stdout);
}

/* ---- seeds ---- */

static bool run_seed(uint64_t seed, bool verbose)
{
	struct course *s = mem_alloc(sizeof *s);
	char why[900];
	schedule_make(seed, s);
	if (verbose) {
		AUTOBUF text = BUF_INIT;
		schedule_print(s, &text);
		(void)printf("%s\n", buf_text(&text));
	}
	bool ok = run(s, verbose, true, why);
	if (!ok) {
		AUTOFREE char *label = mem_printf("seed %llu", (unsigned long long)seed);
		report(s, label, why);
	}
	free(s);
	return ok;
}

/* Every jobs-th seed of the range, in a process of its own. */
static int work(int index)
{
	int failures = 0;
	int64_t end = options.soak_s > 0 ? seconds() + options.soak_s : INT64_MAX;
	for (uint64_t i = (uint64_t)index; (options.soak_s > 0 || i < options.schedules) && seconds() < end; i += (uint64_t)options.jobs) {
		failures += !run_seed(options.first + i, false);
		if (failures > 0 && !options.keep_going)
			break;
	}
	return failures > 100 ? 100 : failures;
}

/* No schedule has a cluster of another operator to adopt; tests/unit/lifecycle and tests/integration do. */
static bool generated(int row)
{
	return row != EFFECT_ADOPT_CLUSTER;
}

/* Directed schedules for the cells of the table that are still empty. */
static int aim(int index)
{
	struct course *s = mem_alloc(sizeof *s);
	int failures = 0;
	int cell = 0;
	for (int row = 1; row < effect_rows(); row++)
		for (int point = 0; point < POINT_COUNT; point++)
			for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++) {
				if (cell++ % options.jobs != index || !generated(row))
					continue;
				for (uint64_t try = 1; try <= 30 && coverage->cell[row][point][outcome] == 0; try++) {
					char why[900];
					schedule_aim(row, (enum point)point, (enum outcome)outcome, try, s);
					if (run(s, false, true, why))
						continue;
					AUTOFREE char *label =
						mem_printf("aimed at %s %s %s, try %llu", effect_row_name(row), point_names[point],
							   outcome_names[outcome], (unsigned long long)try);
					report(s, label, why);
					failures++;
				}
			}
	free(s);
	return failures > 100 ? 100 : failures;
}

static bool in_processes(int (*body)(int index))
{
	bool ok = true;
	(void)fflush(NULL);
	pid_t *children = mem_array((size_t)options.jobs, sizeof *children);
	for (int i = 0; i < options.jobs; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			int failures = body(i);
			(void)fflush(NULL);
			_exit(failures);
		}
	}
	for (int i = 0; i < options.jobs; i++) {
		int status = 0;
		while (waitpid(children[i], &status, 0) < 0 && errno == EINTR)
			;
		if (!WIFEXITED(status))
			(void)printf("a process ended by signal %d\n", WTERMSIG(status));
		ok &= WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	free(children);
	return ok;
}

static int print_coverage(void)
{
	int empty = 0;
	(void)printf("\n%-20s", "effect");
	for (int p = 0; p < POINT_COUNT; p++)
		for (int o = 0; o < OUTCOME_COUNT; o++)
			(void)printf(" %6.6s/%-7s", p == POINT_NONE ? "-" : point_names[p], outcome_names[o]);
	(void)printf("\n");
	for (int row = 1; row < effect_rows(); row++) {
		(void)printf("%-20s", effect_row_name(row));
		for (int p = 0; p < POINT_COUNT; p++)
			for (int o = 0; o < OUTCOME_COUNT; o++) {
				uint64_t n = coverage->cell[row][p][o];
				empty += n == 0 && generated(row);
				(void)printf(" %14llu", (unsigned long long)n);
			}
		(void)printf("\n");
	}
	(void)printf("%llu schedules, %llu port calls, %llu starts of jobs, %llu virtual hours, %d empty cells\n",
		     (unsigned long long)coverage->schedules, (unsigned long long)coverage->calls, (unsigned long long)coverage->starts,
		     (unsigned long long)coverage->virtual_ms / 3600000, empty);
	return empty;
}

/* ---- files: fixtures, and scenarios with the agent killed at every port call ---- */

static bool run_fixture(const char *file)
{
	struct course *s = mem_alloc(sizeof *s);
	struct error err;
	char why[900] = "";
	bool ok = schedule_read(file, s, &err) || (snprintf(why, sizeof why, "%s", err.message), false);
	ok = ok && run(s, options.verbose, true, why);
	(void)printf("%s %s%s%s\n", ok ? "ok    " : "FAILED", file, ok ? "" : ": ", why);
	free(s);
	return ok;
}

static struct {
	struct course schedule;
	char kinds[CALLS_MAX]; /* of each port call until the end of the schedule */
	const char *name;
} scenario;

/* Before every call, and after every write: after a read is before the next call. What the lease's calls do is done again anyway. */
static bool crash_point(int k, bool *done)
{
	*done = k % 2 == 1;
	char kind = scenario.kinds[k / 2];
	return kind == 'w' || (kind == 'r' && !*done);
}

static int crash_everywhere(int index)
{
	int failures = 0;
	int n = 0;
	char why[900];
	for (int k = 2; k < 2 * CALLS_MAX && failures < 3; k++) {
		bool done;
		if (!crash_point(k, &done) || n++ % (options.jobs * options.every) != index * options.every)
			continue;
		struct world w = {
			.schedule = &scenario.schedule, .coverage = coverage, .crash_at = (uint64_t)k / 2, .crash_done = done, .brief = true
		};
		if (run_world(&w, why))
			continue;
		(void)printf("FAILED %s killed %s port call %d: %s\n", scenario.name, done ? "after" : "before", k / 2, why);
		failures++;
	}
	return failures;
}

static bool run_crashes(const char *file)
{
	struct error err;
	char why[900] = "";
	scenario.name = file;
	memset(scenario.kinds, 0, sizeof scenario.kinds);
	if (!schedule_read(file, &scenario.schedule, &err)) {
		(void)printf("FAILED %s\n", err.message);
		return false;
	}
	struct world w = { .schedule = &scenario.schedule, .verbose = options.verbose, .kinds = scenario.kinds };
	if (!run_world(&w, why)) {
		(void)printf("FAILED %s without a crash: %s\n", file, why);
		return false;
	}
	int points = 0;
	for (int k = 2; k < 2 * CALLS_MAX; k++) {
		bool done;
		points += crash_point(k, &done);
	}
	points = (points + options.every - 1) / options.every;
	bool ok = in_processes(crash_everywhere);
	(void)printf("%s %s: killed at each of %d points\n", ok ? "ok    " : "FAILED", file, points);
	(void)fflush(stdout);
	return ok;
}

static void usage(FILE *out)
{
	(void)fprintf(out,
		      "usage: simulation_run [--seed N [--verbose]] [--schedules N] [--first N] [--soak SECONDS] [--jobs N] [--aim]\n"
		      "                      [--keep-going] [--no-shrink] [--write DIR] [--crashes [--every N]] [FILE...]\n"
		      "FILEs are fixtures to replay; with --crashes, scenarios in which the agent is killed at every (Nth) port call.\n");
}

static bool read_options(int argc, char **argv)
{
	static const struct option known[] = { { "seed", required_argument, NULL, 's' },  { "schedules", required_argument, NULL, 'n' },
					       { "first", required_argument, NULL, 'f' }, { "soak", required_argument, NULL, 't' },
					       { "verbose", no_argument, NULL, 'v' },	  { "jobs", required_argument, NULL, 'j' },
					       { "aim", no_argument, NULL, 'a' },	  { "keep-going", no_argument, NULL, 'k' },
					       { "no-shrink", no_argument, NULL, 'x' },	  { "write", required_argument, NULL, 'w' },
					       { "crashes", no_argument, NULL, 'c' },	  { "every", required_argument, NULL, 'e' },
					       { "help", no_argument, NULL, 'h' },	  { NULL, 0, NULL, 0 } };
	int c;
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 's':
			options.one = true;
			options.seed = strtoull(optarg, NULL, 10);
			break;
		case 'n':
			options.schedules = strtoull(optarg, NULL, 10);
			break;
		case 'f':
			options.first = strtoull(optarg, NULL, 10);
			break;
		case 't':
			options.soak_s = strtoll(optarg, NULL, 10);
			break;
		case 'j':
			options.jobs = (int)strtol(optarg, NULL, 10);
			break;
		case 'v':
			options.verbose = true;
			break;
		case 'a':
			options.aim = true;
			break;
		case 'k':
			options.keep_going = true;
			break;
		case 'x':
			options.no_shrink = true;
			break;
		case 'w':
			options.fixture_dir = optarg;
			break;
		case 'c':
			options.crashes = true;
			break;
		case 'e':
			options.every = (int)strtol(optarg, NULL, 10);
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			return false;
		}
	}
	return options.jobs > 0 && options.jobs <= 64 && options.every > 0 && options.every <= 1000;
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *walk)
{
	(void)about, (void)type, (void)walk;
	return remove(path);
}

static int run_all(int argc, char **argv);

int main(int argc, char **argv)
{
	if (!read_options(argc, argv)) {
		usage(stderr);
		return 2;
	}
	if (mkdtemp(scratch) == NULL) {
		perror(scratch);
		return 1;
	}
	int code = run_all(argc, argv);
	(void)nftw(scratch, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return code;
}

static int run_all(int argc, char **argv)
{
	if (!read_options(argc, argv)) {
		usage(stderr);
		return 2;
	}
	coverage = mmap(NULL, sizeof *coverage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (coverage == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	bool ok = true;
	if (optind < argc) {
		for (int i = optind; i < argc; i++)
			ok &= options.crashes ? run_crashes(argv[i]) : run_fixture(argv[i]);
		return ok ? 0 : 1;
	}
	if (options.one)
		return run_seed(options.seed, true) ? 0 : 1;
	int64_t began = seconds();
	(void)printf("seeds from %llu, on %d processes\n", (unsigned long long)options.first, options.jobs);
	ok = in_processes(work);
	if (options.aim && (ok || options.keep_going))
		ok &= in_processes(aim);
	int empty = print_coverage();
	(void)printf("%lld s; %s\n", (long long)(seconds() - began), ok ? "every invariant held" : "FAILED: replay with --seed N");
	return ok && !(options.aim && empty > 0) ? 0 : 1;
}
