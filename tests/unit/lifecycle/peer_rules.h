/*
 * peer_rules: how the Apache operator reads a status: the lifecycle state that it computes from it, and the types of the custom resource
 * definition. For test_decisions.c, which lets every status be read so, and test_peer.c. They return the number of complaints.
 */
#ifndef WEIR_TEST_PEER_RULES_H
#define WEIR_TEST_PEER_RULES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/doc.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "lifecycle/decide.h"

static inline struct doc *peer_read_yaml(const char *path)
{
	AUTOBUF text = BUF_INIT;
	FILE *in = fopen(path, "re");
	char part[4096];
	if (in == NULL)
		return NULL;
	for (size_t n; (n = fread(part, 1, sizeof part, in)) > 0;)
		buf_append(&text, part, n);
	(void)fclose(in);
	return doc_parse_yaml_one(buf_text(&text), text.len, path, NULL);
}

/* ---- the lifecycle state, first match wins ---- */

static inline const char *peer_lifecycle(const struct node *status, bool deleting)
{
	const char *lrs = node_find_text(status, "reconciliationStatus/lastReconciledSpec");
	const char *lss = node_find_text(status, "reconciliationStatus/lastStableSpec");
	const char *state = node_text_or(node_find(status, "reconciliationStatus/state"), "UPGRADING");
	const char *job = node_text_or(node_find(status, "jobStatus/state"), "");
	const char *error = node_text_or(node_get(status, "error"), "");
	if (deleting)
		return "DELETING";
	if (lrs == NULL)
		return *error == '\0' ? "CREATED" : "FAILED";
	if (strcmp(state, "UPGRADING") == 0 || strcmp(state, "ROLLING_BACK") == 0)
		return state;
	AUTODOC *doc = doc_parse_json(lrs, strlen(lrs), "lastReconciledSpec", NULL, NULL);
	if (doc == NULL || node_find(doc_root(doc), "resource_metadata/firstDeployment") == NULL)
		return "(lastReconciledSpec cannot be read)";
	if (str_eq(node_find_text(doc_root(doc), "spec/job/state"), "suspended"))
		return "SUSPENDED";
	if (strcmp(job, "FAILED") == 0)
		return "FAILED";
	if (strcmp(state, "ROLLED_BACK") == 0)
		return state;
	return str_eq(lrs, lss) ? "STABLE" : "DEPLOYED";
}

/* What Weir may call otherwise, and why. */
static inline bool peer_may_differ(const char *ours, const char *theirs)
{
	static const char *const pairs[][2] = {
		{ "CREATED",
		  "FAILED" }, /* it waits for something, and says so in `error`: the peer has no such wait before a first launch */
		{ "FAILED", "DEPLOYED" }, /* a launch without a way back: the peer tells it from its own phrases in `error` */
		{ "FAILED", "CREATED" },
		{ "DEPLOYED", "STABLE" }, /* launched again with the content that is known to be stable: Weir watches it anew */
	};
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		if (strcmp(ours, pairs[i][0]) == 0 && strcmp(theirs, pairs[i][1]) == 0)
			return true;
	return strcmp(ours, theirs) == 0;
}

static inline int peer_check_lifecycle(const char *name, const struct node *status, bool deleting)
{
	const char *ours = node_text_or(node_get(status, "lifecycleState"), "(none)");
	const char *theirs = peer_lifecycle(status, deleting);
	if (peer_may_differ(ours, theirs))
		return 0;
	(void)fprintf(stderr, "%s: lifecycleState is %s, the peer computes %s\n", name, ours, theirs);
	return 1;
}

/* ---- the schema ---- */

static inline int peer_check_schema(const char *name, const char *path, const struct node *value, const struct node *schema)
{
	static const struct {
		const char *type;
		enum node_kind kind;
	} kinds[] = { { "object", NODE_MAP },
		      { "array", NODE_LIST },
		      { "string", NODE_STRING },
		      { "integer", NODE_NUMBER },
		      { "boolean", NODE_BOOL } };
	const char *type = node_text_or(node_get(schema, "type"), "(not in the schema)");
	const struct node *words = node_get(schema, "enum");
	bool fits = false;
	bool listed = words == NULL;
	int wrong = 0;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		fits |= strcmp(kinds[i].type, type) == 0 && node_is(value, kinds[i].kind);
	for (size_t i = 0; i < node_count(words); i++)
		listed |= str_eq(node_text(node_at(words, i)), node_text(value));
	if (!fits || !listed) {
		(void)fprintf(stderr, "%s: status%s: %s %s, the schema says %s\n", name, path, node_kind_name(node_kind(value)),
			      node_text_or(value, ""), type);
		return 1;
	}
	for (size_t i = 0; node_is(value, NODE_LIST) && i < node_count(value); i++)
		wrong += peer_check_schema(name, path, node_at(value, i), node_get(schema, "items"));
	for (size_t i = 0; node_is(value, NODE_MAP) && i < node_count(value); i++) {
		const struct node *properties = node_get(schema, "properties");
		AUTOFREE char *below = mem_printf("%s.%s", path, node_key_at(value, i));
		wrong += peer_check_schema(name, below, node_value_at(value, i),
					   properties == NULL ? node_get(schema, "additionalProperties")
							      : node_get(properties, node_key_at(value, i)));
	}
	return wrong;
}

/* All of it, for a status that Weir wrote. `fixtures` is the folder FIXTURES. */
static inline int peer_check_status(const char *fixtures, const char *name, const struct node *status, enum subject subject, bool deleting)
{
	static struct doc *crds[2]; /* read once, and kept until the test ends */
	struct doc **crd = &crds[subject == SUBJECT_SESSION_JOB];
	if (*crd == NULL) {
		AUTOFREE char *path = mem_printf("%s/../../../../kustomize/base/crd-flink%s.yaml", fixtures,
						 subject == SUBJECT_SESSION_JOB ? "sessionjobs" : "deployments");
		*crd = peer_read_yaml(path);
	}
	const struct node *schema = node_find(doc_root(*crd), "spec/versions");
	schema = node_find(node_at(schema, 0), "schema/openAPIV3Schema/properties/status");
	const struct node *conditions = node_get(status, "conditions");
	bool theirs = str_eq(node_find_text(node_at(conditions, node_count(conditions) - 1), "type"), "ForeignController");
	return peer_check_schema(name, "", status, schema) + (theirs ? 0 : peer_check_lifecycle(name, status, deleting));
}

#endif
