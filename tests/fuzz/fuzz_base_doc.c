/* Any bytes as YAML and as JSON: no crash, no leak; and what was read prints as JSON that reads back as the same. */
#include <stddef.h>
#include <stdint.h>

#include "base/doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct doc *doc)
{
	AUTOBUF text = BUF_INIT;
	node_to_json(doc_root(doc), &text, JSON_COMPACT);
	struct error err = ERROR_INIT;
	AUTODOC *again = doc_parse_json(buf_text(&text), text.len, "again", NULL, &err);
	if (again == NULL || !node_equal(doc_root(doc), doc_root(again)))
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct doc_limits limits = { .bytes = 65536, .nodes = 10000, .depth = 50 };
	struct error err = ERROR_INIT;
	struct doc **docs = NULL;
	size_t count = 0;
	if (doc_parse_yaml((const char *)data, size, "fuzz.yaml", &limits, &docs, &count, &err)) {
		for (size_t i = 0; i < count; i++) {
			AUTOBUF yaml = BUF_INIT;
			node_to_yaml(doc_root(docs[i]), &yaml);
			if (doc_root(docs[i]) != NULL)
				check_round_trip(docs[i]);
		}
		doc_list_free(docs, count);
	}
	AUTODOC *json = doc_parse_json((const char *)data, size, "fuzz.json", &limits, &err);
	if (json != NULL && doc_root(json) != NULL)
		check_round_trip(json);
	return 0;
}
