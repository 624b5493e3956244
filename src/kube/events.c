#include "kube/events.h"

#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "base/wtime.h"

enum { MESSAGE_MAX = 1024, NAME_PART_MAX = 200, HASH_DIGITS = 16 };

static const struct kube_resource events = { .api_version = "v1", .kind = "Event", .plural = "events", .namespaced = true };

static char *event_name(const struct kube_event *event)
{
	struct sha256 *digest = sha256_begin();
	const char *const parts[] = { event->api_version, event->kind,	 event->ns,	 event->name,
				      event->uid,	  event->reason, event->message, event->warning ? "w" : "n" };
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		sha256_add_text(digest, parts[i]);
	char hex[SHA256_HEX_MAX];
	sha256_end(digest, hex);
	int len = (int)strnlen(event->name, NAME_PART_MAX);
	while (len > 0 && (event->name[len - 1] == '-' || event->name[len - 1] == '.'))
		len--; /* where the cut left no valid name */
	return mem_printf("%.*s.%.*s", len, event->name, (int)HASH_DIGITS, hex);
}

/* At most MESSAGE_MAX bytes, not cut within a character. */
static size_t message_len(const char *message)
{
	size_t len = strlen(message);
	if (len <= MESSAGE_MAX)
		return len;
	len = MESSAGE_MAX;
	while (len > 0 && ((unsigned char)message[len] & 0xc0) == 0x80)
		len--;
	return len;
}

static struct node *event_object(struct doc *doc, const struct kube_event *event, const char *ns, const char *name, const char *now)
{
	const char *component = event->component != NULL ? event->component : "weir";
	struct node *object = node_map(doc);
	node_set_text(doc, object, "apiVersion", "v1");
	node_set_text(doc, object, "kind", "Event");
	struct node *metadata = node_ensure_map(doc, object, "metadata");
	node_set_text(doc, metadata, "name", name);
	node_set_text(doc, metadata, "namespace", ns);
	struct node *involved = node_ensure_map(doc, object, "involvedObject");
	node_set_text(doc, involved, "apiVersion", event->api_version);
	node_set_text(doc, involved, "kind", event->kind);
	node_set_text(doc, involved, "namespace", event->ns);
	node_set_text(doc, involved, "name", event->name);
	node_set_text(doc, involved, "uid", event->uid);
	node_set_text(doc, object, "type", event->warning ? "Warning" : "Normal");
	node_set_text(doc, object, "reason", event->reason);
	node_set(doc, object, "message", node_stringn(doc, event->message, message_len(event->message)));
	node_set_text(doc, node_ensure_map(doc, object, "source"), "component", component);
	node_set_text(doc, object, "reportingComponent", component);
	node_set_text(doc, object, "firstTimestamp", now);
	node_set_text(doc, object, "lastTimestamp", now);
	node_set_int(doc, object, "count", 1);
	return object;
}

static bool count_up(struct kube *kube, const char *ns, const char *name, const char *now, struct error *err)
{
	AUTODOC *seen = NULL;
	if (!kube_get(kube, &events, ns, name, &seen, err))
		return false;
	AUTODOC *doc = doc_new();
	struct node *patch = node_map(doc);
	node_set_text(doc, node_ensure_map(doc, patch, "metadata"), "resourceVersion",
		      node_find_text(doc_root(seen), "metadata/resourceVersion"));
	node_set_text(doc, patch, "lastTimestamp", now);
	node_set_int(doc, patch, "count", node_integer(node_find(doc_root(seen), "count"), 1) + 1);
	return kube_patch(kube, &events, ns, name, KUBE_MERGE_PATCH, NULL, patch, NULL, err);
}

bool kube_event_record(struct kube *kube, const struct kube_event *event, int64_t now_wall_ms, struct error *err)
{
	if (event->name == NULL || event->kind == NULL || event->reason == NULL || event->message == NULL)
		return error_set(err, ERROR_BUG, "event: kind, name, reason and message are needed");
	const char *ns = event->ns != NULL ? event->ns : "default";
	char now[TIME_TEXT_MAX];
	time_format_s(now_wall_ms, now);
	AUTOFREE char *name = event_name(event);
	AUTODOC *doc = doc_new();
	struct error why = ERROR_INIT;
	if (kube_create(kube, &events, ns, event_object(doc, event, ns, name, now), NULL, &why))
		return true;
	if (why.kind == ERROR_CONFLICT) {
		if (count_up(kube, ns, name, now, &why) || why.kind == ERROR_CONFLICT || why.kind == ERROR_NOT_FOUND)
			return true;
	}
	error_copy(err, &why);
	return false;
}
