/*
 * Authorization of impersonated service accounts by the Roles and RoleBindings that the cluster holds, with the API server's own words.
 * Whoever impersonates nobody is the cluster's administrator.
 */
#include "sim/internal.h"

struct who {
	char *ns, *name; /* of the service account */
};

struct asked {
	const char *verb, *group, *resource, *ns, *name;
};

static const char *header(const struct http_request *request, const char *name)
{
	for (size_t i = 0; i < request->header_count; i++)
		if (strcasecmp(request->headers[i].name, name) == 0)
			return request->headers[i].value;
	return NULL;
}

static bool lists(const struct node *list, const char *value)
{
	for (size_t i = 0; i < node_count(list); i++)
		if (str_eq(node_text(node_at(list, i)), value) || str_eq(node_text(node_at(list, i)), "*"))
			return true;
	return false;
}

static bool rules_allow(const struct node *role, const struct asked *a)
{
	const struct node *rules = node_get(role, "rules");
	for (size_t i = 0; i < node_count(rules); i++) {
		const struct node *r = node_at(rules, i), *names = node_get(r, "resourceNames");
		if (lists(node_get(r, "verbs"), a->verb) && lists(node_get(r, "apiGroups"), a->group) &&
		    lists(node_get(r, "resources"), a->resource) && (node_count(names) == 0 || (a->name != NULL && lists(names, a->name))))
			return true;
	}
	return false;
}

static bool is_subject(const struct node *binding, const struct who *who, const char *user)
{
	AUTOFREE char *group = mem_printf("system:serviceaccounts:%s", who->ns);
	const struct node *subjects = node_get(binding, "subjects");
	for (size_t i = 0; i < node_count(subjects); i++) {
		const struct node *s = node_at(subjects, i);
		const char *kind = node_text_or(node_get(s, "kind"), ""), *name = node_text_or(node_get(s, "name"), "");
		if (strcmp(kind, "ServiceAccount") == 0 && strcmp(name, who->name) == 0 &&
		    strcmp(node_text_or(node_get(s, "namespace"), ""), who->ns) == 0)
			return true;
		if (strcmp(kind, "User") == 0 && strcmp(name, user) == 0)
			return true;
		if (strcmp(kind, "Group") == 0 &&
		    (strcmp(name, group) == 0 || strcmp(name, "system:serviceaccounts") == 0 || strcmp(name, "system:authenticated") == 0))
			return true;
	}
	return false;
}

static bool bindings_allow(struct sim *sim, const char *kind, const char *ns, const struct who *who, const char *user,
			   const struct asked *a)
{
	AUTOFREE char *path = mem_printf("rbac.authorization.k8s.io/%s", kind);
	const struct kind *k = kind_of(sim, path);
	for (size_t i = 0; k != NULL && i < k->count; i++) {
		const struct node *binding = object_root(k->items[i]);
		if (!str_eq(k->items[i]->ns, ns) || !is_subject(binding, who, user))
			continue;
		bool cluster = str_eq(node_find_text(binding, "roleRef/kind"), "ClusterRole");
		const struct object *role =
			store_get(sim, cluster ? "rbac.authorization.k8s.io/clusterroles" : "rbac.authorization.k8s.io/roles",
				  cluster ? "" : ns, node_text_or(node_find(binding, "roleRef/name"), ""));
		if (role != NULL && rules_allow(object_root(role), a))
			return true;
	}
	return false;
}

static const char *verb_of(const struct call *call)
{
	const char *method = call->request->method;
	bool one = call->name != NULL;
	if (strcmp(method, "GET") == 0)
		return one ? "get" : call_is_watch(call) ? "watch" : "list";
	if (strcmp(method, "DELETE") == 0)
		return one ? "delete" : "deletecollection";
	return strcmp(method, "POST") == 0 ? "create" : strcmp(method, "PUT") == 0 ? "update" : "patch";
}

static bool allowed(struct call *call, const struct who *who, const char *user, const char *verb)
{
	AUTOFREE char *resource =
		mem_printf("%s%s%s", call->kind->resource, call->sub != NULL ? "/" : "", call->sub != NULL ? call->sub : "");
	const char *ns = call->kind->namespaced ? call->ns : NULL;
	const struct asked a = { verb, call->kind->group, resource, ns, call->name };
	if (bindings_allow(call->sim, "clusterrolebindings", "", who, user, &a) ||
	    (ns != NULL && bindings_allow(call->sim, "rolebindings", ns, who, user, &a)))
		return true;
	AUTOBUF what = BUF_INIT;
	call_resource_name(call->kind, &what);
	AUTOFREE char *where = ns != NULL ? mem_printf("in the namespace \"%s\"", ns) : mem_strdup("at the cluster scope");
	AUTOFREE char *name = call->name != NULL ? mem_printf(" \"%s\"", call->name) : mem_strdup("");
	call_problem(call, 403, "Forbidden", "%s%s is forbidden: User \"%s\" cannot %s resource \"%s\" in API group \"%s\" %s",
		     buf_text(&what), name, user, verb, resource, call->kind->group, where);
	return false;
}

bool rbac_allows(struct call *call)
{
	static const char prefix[] = "system:serviceaccount:";
	const char *user = header(call->request, "Impersonate-User");
	if (user == NULL)
		return true;
	const char *account = str_starts(user, prefix) ? user + strlen(prefix) : "";
	const char *colon = strchr(account, ':');
	AUTOFREE char *ns = mem_strndup(account, colon == NULL ? 0 : (size_t)(colon - account));
	AUTOFREE char *name = mem_strdup(colon == NULL ? "" : colon + 1);
	const struct who who = { ns, name };
	const char *verb = verb_of(call);
	if (!allowed(call, &who, user, verb))
		return false;
	/* server-side apply may create */
	bool creates = strcmp(verb, "patch") == 0 && call->sub == NULL &&
		       store_find(call->kind, call->ns != NULL ? call->ns : "", call->name) == NULL;
	return !creates || allowed(call, &who, user, "create");
}
