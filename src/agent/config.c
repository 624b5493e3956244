#include "agent/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/doc.h"
#include "base/mem.h"

/* One table for each struct: the fields of weir.yaml. */
enum option_type { O_TEXT, O_BOOL, O_DURATION, O_INT, O_REF, O_SOURCES, O_SYNCS, O_STATE_STORES, O_JARS, O_TEXTS, O_MANAGE, O_NAMESPACES };

struct option {
	const char *name;
	enum option_type type;
	size_t offset;
	bool required;
};

static const struct option source_options[] = {
	{ "name", O_TEXT, offsetof(struct source_config, name), true },
	{ "url", O_TEXT, offsetof(struct source_config, url), true },
	{ "ref", O_REF, 0, false },
	{ "interval", O_DURATION, offsetof(struct source_config, interval_ms), false },
	{ "caFile", O_TEXT, offsetof(struct source_config, ca_file), false },
	{ "user", O_TEXT, offsetof(struct source_config, user), false },
	{ "passwordFile", O_TEXT, offsetof(struct source_config, password_file), false },
	{ "tokenFile", O_TEXT, offsetof(struct source_config, token_file), false },
	{ "clientCertFile", O_TEXT, offsetof(struct source_config, client_cert), false },
	{ "clientKeyFile", O_TEXT, offsetof(struct source_config, client_key), false },
	{ "proxy", O_TEXT, offsetof(struct source_config, proxy), false },
	{ "sshKeyFile", O_TEXT, offsetof(struct source_config, ssh_key), false },
	{ "knownHostsFile", O_TEXT, offsetof(struct source_config, known_hosts), false },
	{ NULL, O_TEXT, 0, false },
};
static const struct option ref_options[] = {
	{ "branch", O_TEXT, offsetof(struct source_config, branch), false },
	{ "tag", O_TEXT, offsetof(struct source_config, tag), false },
	{ "commit", O_TEXT, offsetof(struct source_config, commit), false },
	{ NULL, O_TEXT, 0, false },
};
static const struct option sync_options[] = {
	{ "name", O_TEXT, offsetof(struct sync_config, name), true },
	{ "source", O_TEXT, offsetof(struct sync_config, source), true },
	{ "path", O_TEXT, offsetof(struct sync_config, path), false },
	{ "namespace", O_TEXT, offsetof(struct sync_config, ns), false },
	{ "serviceAccountName", O_TEXT, offsetof(struct sync_config, service_account), false },
	{ "prune", O_BOOL, offsetof(struct sync_config, prune), false },
	{ "interval", O_DURATION, offsetof(struct sync_config, interval_ms), false },
	{ NULL, O_TEXT, 0, false },
};
static const struct option state_store_options[] = {
	{ "prefix", O_TEXT, offsetof(struct state_store_config, prefix), true },
	{ "path", O_TEXT, offsetof(struct state_store_config, path), false },
	{ "endpoint", O_TEXT, offsetof(struct state_store_config, endpoint), false },
	{ "region", O_TEXT, offsetof(struct state_store_config, region), false },
	{ "pathStyle", O_BOOL, offsetof(struct state_store_config, path_style), false },
	{ "accessKeyFile", O_TEXT, offsetof(struct state_store_config, access_key_file), false },
	{ "secretKeyFile", O_TEXT, offsetof(struct state_store_config, secret_key_file), false },
	{ "sessionTokenFile", O_TEXT, offsetof(struct state_store_config, session_token_file), false },
	{ "caFile", O_TEXT, offsetof(struct state_store_config, ca_file), false },
	{ NULL, O_TEXT, 0, false },
};
static const struct option jar_options[] = {
	{ "schemes", O_TEXT, offsetof(struct jar_config, schemes), false },
	{ "hosts", O_TEXTS, offsetof(struct jar_config, hosts), false },
	{ "privateHosts", O_TEXTS, offsetof(struct jar_config, private_hosts), false },
	{ "fileRoot", O_TEXT, offsetof(struct jar_config, file_root), false },
	{ "caFile", O_TEXT, offsetof(struct jar_config, ca_file), false },
	{ "maxBytes", O_INT, offsetof(struct jar_config, max_bytes), false },
	{ NULL, O_TEXT, 0, false },
};
static const struct option agent_options[] = {
	{ "sources", O_SOURCES, 0, false },
	{ "syncs", O_SYNCS, 0, false },
	{ "stateStores", O_STATE_STORES, 0, false },
	{ "jars", O_JARS, 0, false },
	{ "namespace", O_TEXT, offsetof(struct agent_config, ns), false },
	{ "cacheDir", O_TEXT, offsetof(struct agent_config, cache_dir), false },
	{ "listen", O_TEXT, offsetof(struct agent_config, listen), false },
	{ "manage", O_MANAGE, 0, false },
	{ "watchNamespaces", O_NAMESPACES, 0, false },
	{ "peerDefaults", O_BOOL, offsetof(struct agent_config, peer_defaults), false },
	{ "stableAfter", O_DURATION, offsetof(struct agent_config, stable_after_ms), false },
	{ "stableCheckpoints", O_INT, offsetof(struct agent_config, stable_checkpoints), false },
	{ "startDeadline", O_DURATION, offsetof(struct agent_config, start_deadline_ms), false },
	{ NULL, O_TEXT, 0, false },
};

void agent_config_init(struct agent_config *config)
{
	*config = (struct agent_config){ 0 };
}

static void free_texts(void *from, const struct option *o)
{
	for (; o->name != NULL; o++) {
		char *text;
		char **texts;
		if (o->type == O_TEXT) {
			memcpy(&text, (char *)from + o->offset, sizeof text);
			free(text);
		} else if (o->type == O_TEXTS) {
			memcpy(&texts, (char *)from + o->offset, sizeof texts);
			for (size_t i = 0; texts != NULL && texts[i] != NULL; i++)
				free(texts[i]);
			free(texts);
		}
	}
}

void agent_config_free(struct agent_config *config)
{
	for (size_t i = 0; i < config->source_count; i++) {
		free_texts(&config->sources[i], source_options);
		free_texts(&config->sources[i], ref_options);
	}
	for (size_t i = 0; i < config->sync_count; i++)
		free_texts(&config->syncs[i], sync_options);
	for (size_t i = 0; i < config->state_store_count; i++)
		state_store_config_free(&config->state_stores[i]);
	free(config->state_stores);
	for (size_t i = 0; i < config->watch_namespace_count; i++)
		free(config->watch_namespaces[i]);
	free(config->watch_namespaces);
	free_texts(&config->jars, jar_options);
	free(config->sources);
	free(config->syncs);
	free_texts(config, agent_options);
	agent_config_init(config);
}

struct source_config *agent_config_add_source(struct agent_config *config)
{
	config->sources = mem_grow(config->sources, config->source_count + 1, sizeof *config->sources);
	struct source_config *s = &config->sources[config->source_count++];
	*s = (struct source_config){ .interval_ms = 10000 };
	return s;
}

struct sync_config *agent_config_add_sync(struct agent_config *config)
{
	config->syncs = mem_grow(config->syncs, config->sync_count + 1, sizeof *config->syncs);
	struct sync_config *s = &config->syncs[config->sync_count++];
	*s = (struct sync_config){ .prune = true };
	return s;
}

static struct state_store_config *add_state_store(struct agent_config *config)
{
	config->state_stores = mem_grow(config->state_stores, config->state_store_count + 1, sizeof *config->state_stores);
	struct state_store_config *s = &config->state_stores[config->state_store_count++];
	*s = (struct state_store_config){ 0 };
	return s;
}

bool agent_config_duration(const char *text, int64_t *ms)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
	int64_t total = 0;
	const char *p = text;
	if (*p == '\0')
		return false;
	while (*p != '\0') {
		if (!isdigit((unsigned char)*p))
			return false;
		char *end;
		errno = 0;
		long long n = strtoll(p, &end, 10);
		if (errno != 0 || n > 100000000)
			return false;
		if (*end == '\0' && p == text) {
			*ms = n * 1000;
			return true;
		}
		size_t len = strspn(end, "mshd");
		int64_t unit = 0;
		for (size_t i = 0; i < ARRAY_SIZE(units); i++)
			if (strlen(units[i].unit) == len && strncmp(end, units[i].unit, len) == 0)
				unit = units[i].ms;
		if (unit == 0)
			return false;
		total += n * unit;
		p = end + len;
	}
	*ms = total;
	return true;
}

struct place {
	struct agent_config *config;
	const char *file;
	struct error *err;
};

static bool wrong(const struct place *at, const struct node *n, const char *path, const char *expected)
{
	return error_set(at->err, ERROR_INVALID, "%s:%u: %s: expected %s", at->file, node_line(n), path, expected);
}

static bool read_options(const struct place *at, const struct node *map, void *to, const struct option *options, const char *path);

static bool read_list(const struct place *at, const struct node *list, enum option_type type, const char *path)
{
	if (!node_is(list, NODE_LIST))
		return wrong(at, list, path, "a list");
	for (size_t i = 0; i < node_count(list); i++) {
		char item[80];
		(void)snprintf(item, sizeof item, "%s[%zu]", path, i);
		const struct option *options = type == O_SOURCES ? source_options : type == O_SYNCS ? sync_options : state_store_options;
		void *to = type == O_SOURCES ? (void *)agent_config_add_source(at->config)
			   : type == O_SYNCS ? (void *)agent_config_add_sync(at->config)
					     : (void *)add_state_store(at->config);
		if (!read_options(at, node_at(list, i), to, options, item))
			return false;
	}
	return true;
}

static bool read_namespaces(const struct place *at, const struct node *list, const char *path)
{
	struct agent_config *config = at->config;
	if (node_count(list) == 0 || !node_is(list, NODE_LIST))
		return wrong(at, list, path, "a list of namespaces");
	for (size_t i = 0; i < node_count(list); i++) {
		const char *name = node_text(node_at(list, i));
		bool twice = false;
		for (size_t j = 0; name != NULL && j < config->watch_namespace_count; j++)
			twice |= strcmp(config->watch_namespaces[j], name) == 0;
		if (name == NULL || *name == '\0' || twice)
			return wrong(at, node_at(list, i), path, twice ? "each namespace once" : "the names of namespaces");
		config->watch_namespaces =
			mem_grow(config->watch_namespaces, config->watch_namespace_count + 1, sizeof *config->watch_namespaces);
		config->watch_namespaces[config->watch_namespace_count++] = mem_strdup(name);
	}
	return true;
}

static bool read_texts(const struct place *at, const struct node *list, char *field, const char *path)
{
	char **texts;
	memcpy(&texts, field, sizeof texts);
	if (!node_is(list, NODE_LIST) || texts != NULL)
		return wrong(at, list, path, "a list of texts");
	texts = mem_array(node_count(list) + 1, sizeof *texts);
	memcpy(field, &texts, sizeof texts);
	for (size_t i = 0; i < node_count(list); i++) {
		const char *text = node_text(node_at(list, i));
		if (text == NULL || *text == '\0')
			return wrong(at, node_at(list, i), path, "a list of texts");
		texts[i] = mem_strdup(text);
	}
	return true;
}

static bool read_option(const struct place *at, const struct node *n, void *to, const struct option *o, const char *path)
{
	char *field = (char *)to + o->offset;
	const char *text = node_text(n);
	int64_t number;
	switch (o->type) {
	case O_TEXT:
		if (text == NULL || *text == '\0')
			return wrong(at, n, path, "a text");
		char *old;
		memcpy(&old, field, sizeof old);
		free(old);
		char *copy = mem_strdup(text);
		memcpy(field, &copy, sizeof copy);
		return true;
	case O_BOOL:
		if (!node_is(n, NODE_BOOL))
			return wrong(at, n, path, "true or false");
		*(bool *)field = node_truth(n, false);
		return true;
	case O_DURATION:
		if (text == NULL || !agent_config_duration(text, &number) || number <= 0)
			return wrong(at, n, path, "a duration such as 10s or 1m30s");
		memcpy(field, &number, sizeof number);
		return true;
	case O_INT:
		number = node_integer(n, -1);
		if (number < 1)
			return wrong(at, n, path, "a whole number from 1");
		memcpy(field, &number, sizeof number);
		return true;
	case O_REF:
		return read_options(at, n, to, ref_options, path);
	case O_SOURCES:
	case O_SYNCS:
	case O_STATE_STORES:
		return read_list(at, n, o->type, path);
	case O_JARS:
		return read_options(at, n, &at->config->jars, jar_options, path);
	case O_TEXTS:
		return read_texts(at, n, field, path);
	case O_NAMESPACES:
		return read_namespaces(at, n, path);
	case O_MANAGE:
		if (!str_eq(text, "all") && !str_eq(text, "synced"))
			return wrong(at, n, path, "all or synced");
		at->config->manage_all = strcmp(text, "all") == 0;
		return true;
	}
	return false;
}

static bool read_options(const struct place *at, const struct node *map, void *to, const struct option *options, const char *path)
{
	if (!node_is(map, NODE_MAP))
		return wrong(at, map, *path == '\0' ? "the document" : path, "a map");
	for (size_t i = 0; i < node_count(map); i++) {
		const char *key = node_key_at(map, i);
		const struct option *o = options;
		while (o->name != NULL && strcmp(o->name, key) != 0)
			o++;
		AUTOFREE char *full = mem_printf("%s%s%s", path, *path == '\0' ? "" : ".", key);
		if (o->name == NULL) {
			AUTOBUF names = BUF_INIT;
			for (o = options; o->name != NULL; o++)
				buf_printf(&names, "%s%s", names.len == 0 ? "one of " : ", ", o->name);
			return wrong(at, node_value_at(map, i), full, buf_text(&names));
		}
		if (!read_option(at, node_value_at(map, i), to, o, full))
			return false;
	}
	for (const struct option *o = options; o->name != NULL; o++)
		if (o->required && node_get(map, o->name) == NULL)
			return error_set(at->err, ERROR_INVALID, "%s:%u: %s: %s is missing", at->file, node_line(map), path, o->name);
	return true;
}

bool agent_config_read(struct agent_config *config, const char *file, struct error *err)
{
	FILE *in = fopen(file, "re");
	if (in == NULL)
		return error_set(err, ERROR_INVALID, "%s: %s", file, strerror(errno));
	AUTOBUF text = BUF_INIT;
	char part[4096];
	size_t n;
	while ((n = fread(part, 1, sizeof part, in)) > 0 && text.len < (1u << 20))
		buf_append(&text, part, n);
	(void)fclose(in);
	AUTODOC *doc = doc_parse_yaml_one(buf_text(&text), text.len, file, err);
	if (doc == NULL)
		return false;
	struct place at = { .config = config, .file = file, .err = err };
	if (doc_root(doc) == NULL)
		return error_set(err, ERROR_INVALID, "%s: the file is empty", file);
	if (!read_options(&at, doc_root(doc), config, agent_options, ""))
		return false;
	struct state_stores *tried = NULL;
	if (!state_stores_open(config->state_stores, config->state_store_count, &tried, err))
		return error_wrap(err, "%s", file);
	state_stores_close(tried);
	for (size_t i = 0; i < config->source_count; i++) {
		const struct source_config *s = &config->sources[i];
		if ((s->branch != NULL) + (s->tag != NULL) + (s->commit != NULL) > 1)
			return error_set(err, ERROR_INVALID, "%s: sources[%zu].ref: expected one of branch, tag, commit", file, i);
		for (size_t j = 0; j < i; j++)
			if (strcmp(s->name, config->sources[j].name) == 0)
				return error_set(err, ERROR_INVALID, "%s: sources[%zu].name: %s is there twice", file, i, s->name);
	}
	for (size_t i = 0; i < config->sync_count; i++) {
		bool found = false;
		for (size_t j = 0; j < config->source_count; j++)
			found |= strcmp(config->sources[j].name, config->syncs[i].source) == 0;
		if (!found)
			return error_set(err, ERROR_INVALID, "%s: syncs[%zu].source: no source is named %s", file, i,
					 config->syncs[i].source);
		for (size_t j = 0; j < i; j++)
			if (strcmp(config->syncs[i].name, config->syncs[j].name) == 0)
				return error_set(err, ERROR_INVALID, "%s: syncs[%zu].name: %s is there twice", file, i,
						 config->syncs[i].name);
	}
	return true;
}
