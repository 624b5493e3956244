#include "cli/job_ref.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/wtime.h"
#include "sync/kinds.h"

static bool find(struct job_ref *ref, const struct kube_resource *kind, struct error *err)
{
	struct error why = ERROR_INIT;
	AUTODOC *doc = NULL;
	if (!kube_get(ref->cluster.kube, kind, ref->ns, ref->name, &doc, &why) && why.kind != ERROR_NOT_FOUND)
		return error_set(err, why.kind, "%s", why.message);
	AUTODOC *bare = NULL;
	if (doc == NULL) {
		bare = doc_new();
		struct node *root = node_map(bare);
		struct node *metadata = node_ensure_map(bare, root, "metadata");
		node_set_text(bare, metadata, "namespace", ref->ns);
		node_set_text(bare, metadata, "name", ref->name);
		doc_set_root(bare, root);
	}
	ledger_free(&ref->stored.ledger);
	subject_free(&ref->view);
	doc_free(ref->resource);
	ref->resource = NULL;
	subject_open(&ref->view, ref->cluster.kube, kind, doc_root(doc != NULL ? doc : bare));
	bool ok = ledger_store_read(ref->cluster.kube, ref->ns, ref->view.ledger_name, &ref->stored, err);
	if (doc == NULL) { /* the view must not point into what goes away here */
		ref->view.resource = NULL;
		ref->view.ns = ref->ns;
		ref->view.name = ref->view.cluster = ref->name;
	}
	ref->resource = TAKE(doc);
	return ok;
}

static bool found(const struct job_ref *ref, bool gone)
{
	return ref->resource != NULL || (gone && ref->stored.resource_version[0] != '\0');
}

bool job_ref_open(int argc, char **argv, bool gone, struct job_ref *out)
{
	struct error err = ERROR_INIT;
	*out = (struct job_ref){ 0 };
	ledger_init(&out->stored.ledger);
	if (!cli_parse(argc, argv, &out->options))
		return false;
	if (out->options.rest + 1 != argc) {
		(void)fprintf(stderr, "weir: usage: weir %s [NAMESPACE/]NAME\n", argv[0]);
		return false;
	}
	if (!cli_connect(out->options.kubeconfig, &out->cluster, &err)) {
		(void)cli_fail(&err);
		return false;
	}
	const char *job = argv[out->options.rest];
	const char *slash = strchr(job, '/');
	const char *ns = out->options.ns != NULL ? out->options.ns : out->cluster.ns;
	out->ns = slash == NULL ? mem_strdup(ns) : mem_strndup(job, (size_t)(slash - job));
	out->name = mem_strdup(slash == NULL ? job : slash + 1);
	bool ok = find(out, &KIND_FLINKDEPLOYMENT, &err) && (found(out, gone) || find(out, &KIND_FLINKSESSIONJOB, &err));
	if (ok && !found(out, gone))
		ok = error_set(&err, ERROR_NOT_FOUND, "%s/%s: no FlinkDeployment or FlinkSessionJob of this name%s", out->ns, out->name,
			       gone ? ", and no ledger of one" : "");
	if (!ok)
		(void)cli_fail(&err);
	return ok;
}

bool job_ref_again(struct job_ref *ref, struct error *err)
{
	return find(ref, ref->view.kind, err);
}

void job_ref_close(struct job_ref *ref)
{
	ledger_free(&ref->stored.ledger);
	subject_free(&ref->view);
	doc_free(ref->resource);
	free(ref->ns);
	free(ref->name);
	if (ref->cluster.kube != NULL)
		cli_disconnect(&ref->cluster);
}

bool job_ref_annotate(struct job_ref *ref, struct error *err, ...)
{
	AUTODOC *doc = doc_new();
	struct node *patch = node_map(doc);
	struct node *annotations = node_ensure_map(doc, node_ensure_map(doc, patch, "metadata"), "annotations");
	va_list args;
	va_start(args, err);
	for (const char *key = va_arg(args, const char *); key != NULL; key = va_arg(args, const char *)) {
		const char *value = va_arg(args, const char *);
		node_set(doc, annotations, key, value == NULL ? node_null(doc) : node_string(doc, value));
	}
	va_end(args);
	return kube_patch(ref->cluster.kube, ref->view.kind, ref->ns, ref->name, KUBE_MERGE_PATCH, NULL, patch, NULL, err);
}

void job_ref_fresh(char out[40])
{
	struct clock clock = clock_real();
	(void)snprintf(out, 40, "%lld", (long long)clock_now_ms(&clock));
}
