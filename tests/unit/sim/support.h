/* support: one request to a sim and a look at the answer, for the tests of this folder. */
#ifndef WEIR_TEST_SIM_SUPPORT_H
#define WEIR_TEST_SIM_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/doc.h"
#include "base/mem.h"
#include "sim/faults.h"
#include "sim/sim.h"

struct answer {
	int status;
	struct doc *doc;
	char *text;
};

static inline void answer_free(struct answer *a)
{
	doc_free(a->doc);
	free(a->text);
}

#define ANSWER __attribute__((cleanup(answer_free), unused)) struct answer

static inline struct answer ask(struct sim *sim, const char *method, const char *path, const char *type, const char *body)
{
	struct http_request request = {
		.method = method, .path = path, .content_type = type, .body = body, .body_len = body ? strlen(body) : 0
	};
	struct http_response r = { 0 };
	struct answer a = { 0 };
	if (sim_handle(sim, &request, &r))
		a.status = r.status;
	a.text = mem_strdup(buf_text(&r.body));
	if (r.body.len > 0 && strstr(r.content_type, "json") != NULL)
		a.doc = doc_parse_json(r.body.data, r.body.len, "answer", NULL, NULL);
	buf_free(&r.body);
	return a;
}

static inline const char *at(const struct answer *a, const char *path)
{
	return a->doc ? node_text_or(node_find(doc_root(a->doc), path), "") : "";
}

#define JSON  "application/json"
#define MERGE "application/merge-patch+json"
#define APPLY "application/apply-patch+yaml"
#define CMS   "/api/v1/namespaces/default/configmaps"

#endif
