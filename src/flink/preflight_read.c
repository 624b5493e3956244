/* What a preflight pod's status says. */
#include "flink/preflight.h"

#include <string.h>

#include "base/mem.h"

static bool holds_any(const char *text, const char *const *parts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strstr(text, parts[i]) != NULL)
			return true;
	return false;
}
#define HOLDS(text, ...) \
	holds_any(text, (const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

/* One line of it, without what stands around it. */
static void put_line(struct buf *out, const char *text)
{
	enum { MOST = 300 };
	size_t from = strspn(text, " \t\r\n"), len = strcspn(text + from, "\r\n");
	buf_append(out, text + from, len < MOST ? len : MOST);
}

/* Several lines become one. */
static void put_lines(struct buf *out, const char *text)
{
	for (bool first = true; *(text += strspn(text, "\r\n")) != '\0'; first = false) {
		buf_puts(out, first ? "" : " | ");
		put_line(out, text);
		text += strcspn(text, "\r\n");
	}
}

/* The line in which that stands. */
static void put_line_with(struct buf *out, const char *text, const char *part)
{
	const char *at = strstr(text, part);
	while (at > text && at[-1] != '\n')
		at--;
	put_line(out, at);
}

static bool no_such_program(int64_t code, const char *reason, const char *message)
{
	bool named = HOLDS(message, "no such file or directory", "executable file not found", "not found in $PATH");
	bool unstarted = HOLDS(reason, "StartError", "ContainerCannotRun", "RunContainerError", "CreateContainerError");
	return (unstarted && named) || (code == 127 && (*message == '\0' || named));
}

static enum flink_preflight_state read_shell(int64_t code, const char *message, struct buf *out)
{
	if (code == FLINK_PREFLIGHT_EXIT_PASSED)
		return FLINK_PREFLIGHT_PASSED;
	if (*message != '\0')
		put_lines(out, message);
	else
		buf_printf(out, "the container ended with code %lld", (long long)code);
	return code == FLINK_PREFLIGHT_EXIT_JAR_UNREADABLE || code == FLINK_PREFLIGHT_EXIT_CONFIG_REFUSED ? FLINK_PREFLIGHT_FAILED
													  : FLINK_PREFLIGHT_UNCHECKED;
}

static enum flink_preflight_state read_config(int64_t code, const char *message, struct buf *out)
{
	if (code == 0)
		return FLINK_PREFLIGHT_PASSED;
	bool java = HOLDS(message, "Could not find or load main class", "NoClassDefFoundError", "UnsupportedClassVersionError",
			  "OutOfMemoryError", "Could not create the Java Virtual Machine");
	static const char *const marks[] = { "Caused by: ", "Exception in thread", "Exception: " };
	for (size_t i = 0; i < ARRAY_SIZE(marks) && !java && code < 126; i++)
		if (strstr(message, marks[i]) != NULL) {
			buf_puts(out, "Flink refuses the configuration: ");
			put_line_with(out, message, marks[i]);
			return FLINK_PREFLIGHT_FAILED;
		}
	buf_printf(out, "the configuration could not be checked (code %lld): ", (long long)code);
	put_line(out, message);
	return FLINK_PREFLIGHT_UNCHECKED;
}

/* java was told that the jar is an agent; all that counts is whether it could open it. */
static enum flink_preflight_state read_jar(int64_t code, const char *message, struct buf *out)
{
	static const char unreadable[] = "Error opening zip file or JAR manifest missing";
	if (code == 0 || strstr(message, "Premain-Class") != NULL)
		return FLINK_PREFLIGHT_PASSED;
	if (strstr(message, unreadable) != NULL) {
		buf_puts(out, "the jar is not a readable jar file in the image: ");
		put_line_with(out, message, unreadable);
		return FLINK_PREFLIGHT_FAILED;
	}
	buf_printf(out, "the jar could not be looked at (code %lld): ", (long long)code);
	put_line(out, message);
	return FLINK_PREFLIGHT_UNCHECKED;
}

static enum flink_preflight_state read_ended(enum flink_preflight_pod which, const struct node *container, struct buf *out)
{
	const struct node *ended = node_find(container, "state/terminated");
	int64_t code = node_integer(node_get(ended, "exitCode"), FLINK_PREFLIGHT_EXIT_NOT_CHECKED);
	const char *message = node_text_or(node_get(ended, "message"), "");
	if (strstr(message, "exec format error") != NULL) {
		buf_puts(out, "the image is not for this node's kind of processor: ");
		put_line_with(out, message, "exec format error");
		return FLINK_PREFLIGHT_FAILED;
	}
	if (no_such_program(code, node_text_or(node_get(ended, "reason"), ""), message)) {
		put_lines(out, message);
		return FLINK_PREFLIGHT_NO_PROGRAM;
	}
	if (which != FLINK_PREFLIGHT_JAVA)
		return read_shell(code, message, out);
	return str_eq(node_text(node_get(container, "name")), FLINK_PREFLIGHT_JAR_CONTAINER) ? read_jar(code, message, out)
											     : read_config(code, message, out);
}

static enum flink_preflight_state read_waiting(const struct node *waiting, struct buf *out)
{
	const char *reason = node_text_or(node_get(waiting, "reason"), ""), *message = node_text_or(node_get(waiting, "message"), "");
	if (*reason == '\0' || strcmp(reason, "ContainerCreating") == 0 || strcmp(reason, "PodInitializing") == 0)
		return FLINK_PREFLIGHT_RUNNING;
	buf_printf(out, "%s%s", *message == '\0' ? reason : "", *message == '\0' ? "" : message);
	if (HOLDS(reason, "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"))
		return FLINK_PREFLIGHT_FAILED;
	if (no_such_program(0, reason, message))
		return FLINK_PREFLIGHT_NO_PROGRAM;
	/* the image would run as root, which the template forbids: it will not go away by waiting */
	return strstr(message, "runAsNonRoot") != NULL ? FLINK_PREFLIGHT_FAILED : FLINK_PREFLIGHT_RUNNING;
}

/* A pod without containers that have a state: why not? */
static enum flink_preflight_state read_pod(const struct node *pod, struct buf *out)
{
	if (str_eq(node_find_text(pod, "status/phase"), "Failed")) { /* from outside: evicted, or past its deadline */
		buf_puts(out, node_text_or(node_find(pod, "status/reason"), "the preflight pod was ended"));
		return FLINK_PREFLIGHT_UNCHECKED;
	}
	const struct node *conditions = node_find(pod, "status/conditions");
	for (size_t i = 0; i < node_count(conditions); i++) {
		const struct node *c = node_at(conditions, i);
		if (str_eq(node_find_text(c, "type"), "PodScheduled") && str_eq(node_find_text(c, "status"), "False"))
			put_line(out, node_text_or(node_get(c, "message"), "no node takes it"));
	}
	return FLINK_PREFLIGHT_RUNNING;
}

/* Later in this list wins where the containers of a pod differ. */
static int weight(enum flink_preflight_state state)
{
	static const enum flink_preflight_state order[] = { FLINK_PREFLIGHT_PASSED, FLINK_PREFLIGHT_UNCHECKED, FLINK_PREFLIGHT_NO_PROGRAM,
							    FLINK_PREFLIGHT_RUNNING, FLINK_PREFLIGHT_FAILED };
	int i = 0;
	while (order[i] != state)
		i++;
	return i;
}

static const char *unchecked_jar(const struct node *pod)
{
	const struct node *containers = node_find(pod, "spec/containers");
	for (size_t k = 0; k < node_count(containers); k++) {
		const struct node *env = node_get(node_at(containers, k), "env");
		for (size_t i = 0; i < node_count(env); i++)
			if (str_eq(node_text(node_get(node_at(env, i), "name")), FLINK_PREFLIGHT_UNCHECKED_ENV))
				return node_text(node_get(node_at(env, i), "value"));
	}
	return NULL;
}

/* Admission may have added others, which do not end by themselves. */
static bool is_ours(const struct node *container)
{
	static const char *const names[] = { "preflight", "jobmanager", "taskmanager", FLINK_PREFLIGHT_JAR_CONTAINER };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_eq(node_text(node_get(container, "name")), names[i]))
			return true;
	return false;
}

static size_t count_ours(const struct node *list, bool with_state)
{
	size_t count = 0;
	for (size_t i = 0; i < node_count(list); i++)
		count += is_ours(node_at(list, i)) && (!with_state || node_get(node_at(list, i), "state") != NULL);
	return count;
}

enum flink_preflight_state flink_preflight_read(enum flink_preflight_pod which, const struct node *pod, struct buf *reason)
{
	const struct node *list = node_find(pod, "status/containerStatuses");
	enum flink_preflight_state state = FLINK_PREFLIGHT_PASSED;
	buf_clear(reason);
	size_t known = count_ours(list, true);
	if (known == 0 || known < count_ours(node_find(pod, "spec/containers"), false))
		return read_pod(pod, reason);
	bool first = true;
	for (size_t i = 0; i < node_count(list); i++) {
		AUTOBUF text = BUF_INIT;
		const struct node *container = node_at(list, i);
		const struct node *waiting = node_find(container, "state/waiting");
		enum flink_preflight_state one = FLINK_PREFLIGHT_RUNNING;
		if (!is_ours(container))
			continue;
		if (node_find(container, "state/terminated") != NULL)
			one = read_ended(which, container, &text);
		else if (str_eq(node_find_text(pod, "status/phase"), "Failed"))
			one = read_pod(pod, &text);
		else if (waiting != NULL)
			one = read_waiting(waiting, &text);
		if (weight(one) > weight(state) || first) {
			state = one;
			first = false;
			buf_clear(reason);
			buf_puts(reason, buf_text(&text));
		}
	}
	const char *jar = unchecked_jar(pod);
	if (state == FLINK_PREFLIGHT_PASSED && jar != NULL) {
		buf_puts(reason, jar);
		return FLINK_PREFLIGHT_UNCHECKED;
	}
	return state;
}
