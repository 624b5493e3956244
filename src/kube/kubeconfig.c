#include "kube/kubeconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/doc.h"
#include "base/mem.h"
#include "http/http_curl.h"
#include "kube/exec_plugin.h"

enum { FILE_MAX = 4 << 20, FILES_MAX = 32 };

#define SERVICE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

struct files {
	struct doc *docs[FILES_MAX];
	size_t count;
};

static bool read_text(const char *path, struct buf *out, struct error *err)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_INVALID, "%s: %s", path, strerror(errno));
	char part[4096];
	for (ssize_t n; (n = read(fd, part, sizeof part)) != 0;) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, ERROR_INVALID, "%s: %s", path, strerror(errno));
		buf_append(out, part, (size_t)n);
		if (out->len > FILE_MAX)
			return error_set(err, ERROR_LIMIT, "%s: larger than %d bytes", path, (int)FILE_MAX);
	}
	return true;
}

/* ---- the files ---- */

static bool load_file(struct files *files, const char *path, struct error *err)
{
	AUTOBUF text = BUF_INIT;
	if (!read_text(path, &text, err))
		return false;
	if (files->count == FILES_MAX)
		return error_set(err, ERROR_LIMIT, "KUBECONFIG: more than %d files", (int)FILES_MAX);
	AUTODOC *doc = doc_parse_yaml_one(buf_text(&text), text.len, path, err);
	if (doc == NULL)
		return false;
	if (doc_root(doc) != NULL && !node_is(doc_root(doc), NODE_NULL) && !node_is(doc_root(doc), NODE_MAP))
		return error_set(err, ERROR_INVALID, "%s: expected a kubeconfig (a map)", path);
	doc_set_file(doc, path);
	files->docs[files->count++] = TAKE(doc);
	return true;
}

/* A list with ':' between; files of it that do not exist are left out, as kubectl does. */
static bool load_list(struct files *files, const char *list, struct error *err)
{
	AUTOFREE char *copy = mem_strdup(list);
	char *rest = NULL;
	for (char *path = strtok_r(copy, ":", &rest); path != NULL; path = strtok_r(NULL, ":", &rest)) {
		struct error why = ERROR_INIT;
		if (load_file(files, path, &why) || why.kind == ERROR_NOT_FOUND)
			continue;
		error_copy(err, &why);
		return false;
	}
	return files->count > 0 || error_set(err, ERROR_NOT_FOUND, "KUBECONFIG=%.300s: no such file", list);
}

static void files_free(struct files *files)
{
	for (size_t i = 0; i < files->count; i++)
		doc_free(files->docs[i]);
}

/* An entry of clusters, users or contexts, and the document that has it. */
struct entry {
	const struct node *node; /* the map below, e.g. `cluster:` */
	const struct doc *doc;
	char *where; /* for messages, e.g. "FILE:12: users[admin].user" */
	char *dir;   /* what relative paths count from */
};

static void entry_free(struct entry *entry)
{
	free(entry->where);
	free(entry->dir);
}
#define AUTOENTRY __attribute__((cleanup(entry_free))) struct entry

static bool find_entry(const struct files *files, const char *list, const char *below, const char *name, struct entry *out,
		       struct error *err)
{
	for (size_t i = 0; i < files->count; i++) {
		const struct node *entries = node_get(doc_root(files->docs[i]), list);
		for (size_t k = 0; k < node_count(entries); k++) {
			const struct node *one = node_at(entries, k);
			if (!str_eq(node_find_text(one, "name"), name))
				continue;
			const char *file = doc_file(files->docs[i]), *slash = strrchr(file, '/');
			*out = (struct entry){ .node = node_get(one, below), .doc = files->docs[i] };
			out->where = mem_printf("%s:%u: %s[%s].%s", file, node_line(one), list, name, below);
			out->dir = slash != NULL ? mem_strndup(file, (size_t)(slash - file)) : mem_strdup(".");
			if (node_is(out->node, NODE_MAP))
				return true;
			return error_set(err, ERROR_INVALID, "%s: expected a map", out->where);
		}
	}
	return error_set(err, ERROR_INVALID, "%s: no entry named %.200s in %s", doc_file(files->docs[0]), name, list);
}

/* ---- fields ---- */

/* A path from a field, relative to its file; owned or NULL. */
static char *field_path(const struct entry *entry, const char *field)
{
	const char *value = node_find_text(entry->node, field);
	if (value == NULL || value[0] == '\0')
		return NULL;
	return value[0] == '/' ? mem_strdup(value) : mem_printf("%s/%s", entry->dir, value);
}

static bool field_data(const struct entry *entry, const char *field, char **out, struct error *err)
{
	const struct node *value = node_get(entry->node, field);
	if (node_text(value) == NULL || node_len(value) == 0)
		return true;
	AUTOBUF data = BUF_INIT;
	if (!buf_put_unbase64(&data, node_text(value), node_len(value)))
		return error_set(err, ERROR_INVALID, "%s.%s: expected base64", entry->where, field);
	*out = buf_take(&data);
	return true;
}

static const char *filled(const struct node *map, const char *field)
{
	const char *text = node_text(node_get(map, field));
	return text != NULL && text[0] != '\0' ? text : NULL;
}

/* What is said of the cluster to a plugin that asks for it. */
static struct node *cluster_info(struct doc *doc, const struct entry *cluster, const char *ca_pem)
{
	static const char *const copied[] = { "server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url" };
	struct node *info = node_map(doc);
	for (size_t i = 0; i < ARRAY_SIZE(copied); i++) {
		if (node_get(cluster->node, copied[i]) != NULL)
			node_set(doc, info, copied[i], node_copy(doc, node_get(cluster->node, copied[i])));
	}
	if (ca_pem != NULL) {
		AUTOBUF data = BUF_INIT;
		buf_put_base64(&data, ca_pem, strlen(ca_pem));
		node_set_text(doc, info, "certificate-authority-data", buf_text(&data));
	}
	const struct node *extensions = node_get(cluster->node, "extensions");
	for (size_t i = 0; i < node_count(extensions); i++) {
		if (str_eq(node_find_text(node_at(extensions, i), "name"), "client.authentication.k8s.io/exec"))
			node_set(doc, info, "config", node_copy(doc, node_get(node_at(extensions, i), "extension")));
	}
	return info;
}

static bool open_entries(const struct entry *cluster, const struct entry *user, struct kube_access *out, struct error *err)
{
	AUTOFREE char *ca_pem = NULL, *cert_pem = NULL, *key_pem = NULL;
	AUTOFREE char *ca_file = field_path(cluster, "certificate-authority");
	AUTOFREE char *cert_file = field_path(user, "client-certificate");
	AUTOFREE char *key_file = field_path(user, "client-key");
	AUTOFREE char *token_file = field_path(user, "tokenFile");
	if (!field_data(cluster, "certificate-authority-data", &ca_pem, err) ||
	    !field_data(user, "client-certificate-data", &cert_pem, err) || !field_data(user, "client-key-data", &key_pem, err))
		return false;
	if (filled(cluster->node, "server") == NULL)
		return error_set(err, ERROR_INVALID, "%s.server: expected the API server's URL", cluster->where);
	if (node_get(user->node, "auth-provider") != NULL)
		return error_set(err, ERROR_UNSUPPORTED, "%s.auth-provider: Kubernetes has dropped these; use an exec plugin", user->where);
	struct http_curl_options options = {
		.base_url = filled(cluster->node, "server"),
		.ca_file = ca_file,
		.ca_pem = ca_pem,
		.client_cert_file = cert_file,
		.client_cert_pem = cert_pem,
		.client_key_file = key_file,
		.client_key_pem = key_pem,
		.insecure = node_truth(node_get(cluster->node, "insecure-skip-tls-verify"), false),
		.tls_server_name = filled(cluster->node, "tls-server-name"),
		.proxy = filled(cluster->node, "proxy-url"),
		.token = filled(user->node, "token"),
		.token_file = token_file,
		.user = filled(user->node, "username"),
		.password = filled(user->node, "password"),
	};
	const struct node *exec = node_get(user->node, "exec");
	struct exec_plugin *plugin = NULL;
	if (node_is(exec, NODE_MAP)) {
		AUTODOC *info = doc_new();
		AUTOFREE char *where = mem_printf("%s.exec", user->where);
		if (!exec_plugin_new(exec, cluster_info(info, cluster, ca_pem), user->dir, where, &plugin, err))
			return false;
		options.credentials = exec_plugin_credentials;
		options.credentials_free = exec_plugin_free;
		options.credentials_context = plugin;
	}
	if (!http_curl_open(&options, &out->http, err)) {
		exec_plugin_free(plugin);
		return error_wrap(err, "%s", cluster->where);
	}
	out->server = mem_strdup(options.base_url);
	return true;
}

static bool open_context(const struct files *files, const char *wanted, struct kube_access *out, struct error *err)
{
	const char *name = wanted;
	for (size_t i = 0; i < files->count && name == NULL; i++)
		name = filled(doc_root(files->docs[i]), "current-context");
	if (name == NULL)
		return error_set(err, ERROR_INVALID, "%s: current-context: expected the name of a context", doc_file(files->docs[0]));
	AUTOENTRY context = { 0 }, cluster = { 0 }, user = { 0 };
	if (!find_entry(files, "contexts", "context", name, &context, err))
		return false;
	const char *cluster_name = filled(context.node, "cluster"), *user_name = filled(context.node, "user");
	if (cluster_name == NULL)
		return error_set(err, ERROR_INVALID, "%s.cluster: expected the name of a cluster", context.where);
	if (!find_entry(files, "clusters", "cluster", cluster_name, &cluster, err))
		return false;
	if (user_name != NULL && !find_entry(files, "users", "user", user_name, &user, err))
		return false;
	if (!open_entries(&cluster, &user, out, err))
		return false;
	out->ns = mem_strdup(node_text_or(node_get(context.node, "namespace"), "default"));
	out->context = mem_strdup(name);
	return true;
}

/* ---- inside a pod ---- */

static bool open_service_account(const char *dir, const char *host, struct kube_access *out, struct error *err)
{
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	AUTOFREE char *token = mem_printf("%s/token", dir);
	AUTOFREE char *ca = mem_printf("%s/ca.crt", dir);
	AUTOFREE char *ns_file = mem_printf("%s/namespace", dir);
	bool ipv6 = strchr(host, ':') != NULL;
	AUTOFREE char *server = mem_printf("https://%s%s%s:%s", ipv6 ? "[" : "", host, ipv6 ? "]" : "", port != NULL ? port : "443");
	AUTOBUF ns = BUF_INIT;
	struct error why = ERROR_INIT;
	if (!read_text(ns_file, &ns, &why))
		buf_clear(&ns);
	const struct http_curl_options options = { .base_url = server, .ca_file = ca, .token_file = token };
	if (!http_curl_open(&options, &out->http, err))
		return error_wrap(err, "service account");
	AUTOFREE char *first = mem_strndup(buf_text(&ns), strcspn(buf_text(&ns), " \t\r\n"));
	out->ns = mem_strdup(first[0] != '\0' ? first : "default");
	out->server = TAKE(server);
	out->context = mem_strdup("in-cluster");
	return true;
}

bool kube_access_open(const struct kubeconfig_options *options, struct kube_access *out, struct error *err)
{
	const struct kubeconfig_options none = { 0 };
	const struct kubeconfig_options *o = options != NULL ? options : &none;
	const char *dir = o->service_account_dir != NULL ? o->service_account_dir : SERVICE_ACCOUNT_DIR;
	const char *list = getenv("KUBECONFIG"), *host = getenv("KUBERNETES_SERVICE_HOST"), *home = getenv("HOME");
	AUTOFREE char *token = mem_printf("%s/token", dir);
	AUTOFREE char *usual = mem_printf("%s/.kube/config", home != NULL ? home : "");
	struct kube_access found = { 0 };
	struct files files = { .count = 0 };
	bool good = false;
	if (o->file != NULL && o->file[0] != '\0')
		good = load_file(&files, o->file, err);
	else if (list != NULL && list[0] != '\0')
		good = load_list(&files, list, err);
	else if (host != NULL && host[0] != '\0' && o->context == NULL && access(token, R_OK) == 0)
		good = open_service_account(dir, host, &found, err);
	else if (access(usual, R_OK) == 0)
		good = load_file(&files, usual, err);
	else
		error_set(err, ERROR_NOT_FOUND, "no way to a cluster: no KUBECONFIG, no service account in %s, no %s", dir, usual);
	if (good && files.count > 0)
		good = open_context(&files, o->context, &found, err);
	files_free(&files);
	if (good)
		*out = found;
	else
		kube_access_close(&found);
	return good;
}

void kube_access_close(struct kube_access *access)
{
	http_curl_close(access->http);
	free(access->ns);
	free(access->server);
	free(access->context);
	*access = (struct kube_access){ 0 };
}
