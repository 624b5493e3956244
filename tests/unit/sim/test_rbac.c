/* What an impersonated service account may do: what the roles say, with the API server's own words where it may not. */
#include "support.h"

static struct sim *sim;

static const char *const manifests =
	"apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: writer, namespace: team}\n"
	"rules:\n- {apiGroups: [''], resources: [configmaps], verbs: [get, list, patch, create]}\n"
	"- {apiGroups: [''], resources: [secrets], verbs: ['*'], resourceNames: [mine]}\n"
	"---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: writer, namespace: team}\n"
	"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: writer}\n"
	"subjects: [{kind: ServiceAccount, name: sync, namespace: team}]\n"
	"---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: patcher}\n"
	"rules: [{apiGroups: [apps], resources: [deployments], verbs: [patch]}]\n"
	"---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: patcher}\n"
	"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: patcher}\n"
	"subjects: [{kind: Group, name: 'system:serviceaccounts:team'}]\n";

static struct answer ask_as(const char *user, const char *method, const char *path, const char *type, const char *body)
{
	const struct http_header header = { "Impersonate-User", user };
	struct http_request request = { .method = method,
					.path = path,
					.content_type = type,
					.body = body,
					.body_len = body ? strlen(body) : 0,
					.headers = &header,
					.header_count = 1 };
	struct http_response r = { 0 };
	struct answer a = { 0 };
	if (sim_handle(sim, &request, &r))
		a.status = r.status;
	a.doc = doc_parse_json(buf_text(&r.body), r.body.len, "answer", NULL, NULL);
	buf_free(&r.body);
	return a;
}

static void is_refused(const char *user, const char *method, const char *path, const char *type, const char *body, const char *message)
{
	ANSWER a = ask_as(user, method, path, type, body);
	assert_int_equal(a.status, 403);
	assert_string_equal(at(&a, "reason"), "Forbidden");
	assert_string_equal(at(&a, "message"), message);
}

static void is_done(const char *user, const char *method, const char *path, const char *type, const char *body, int status)
{
	ANSWER a = ask_as(user, method, path, type, body);
	if (a.status != status)
		fail_msg("%s %s: %d %s", method, path, a.status, at(&a, "message"));
}

#define SYNC  "system:serviceaccount:team:sync"
#define OTHER "system:serviceaccount:team:other"
#define TEAM  "/api/v1/namespaces/team"
#define MAP   "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}"
#define WEB   "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"},\"spec\":{}}"

static void test_roles(void **state)
{
	(void)state;
	is_done(SYNC, "PATCH", TEAM "/configmaps/a?fieldManager=t", APPLY, MAP, 201);
	is_done(SYNC, "PATCH", TEAM "/configmaps/a?fieldManager=t", APPLY, MAP, 200);
	is_done(SYNC, "GET", TEAM "/configmaps", NULL, NULL, 200);
	is_refused(SYNC, "DELETE", TEAM "/configmaps/a", NULL, NULL,
		   "configmaps \"a\" is forbidden: User \"" SYNC
		   "\" cannot delete resource \"configmaps\" in API group \"\" in the namespace \"team\"");
	is_refused(SYNC, "GET", CMS, NULL, NULL,
		   "configmaps is forbidden: User \"" SYNC
		   "\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"default\"");
	is_refused(SYNC, "GET", "/api/v1/configmaps?watch=1", NULL, NULL,
		   "configmaps is forbidden: User \"" SYNC
		   "\" cannot watch resource \"configmaps\" in API group \"\" at the cluster scope");
	is_refused(OTHER, "GET", TEAM "/configmaps/a", NULL, NULL,
		   "configmaps \"a\" is forbidden: User \"" OTHER
		   "\" cannot get resource \"configmaps\" in API group \"\" in the namespace \"team\"");
	is_done(SYNC, "GET", TEAM "/secrets/mine", NULL, NULL, 404);
	is_refused(SYNC, "GET", TEAM "/secrets/other", NULL, NULL,
		   "secrets \"other\" is forbidden: User \"" SYNC
		   "\" cannot get resource \"secrets\" in API group \"\" in the namespace \"team\"");
}

/* Server-side apply of what is not there creates it, which takes a right of its own. */
static void test_apply_creates(void **state)
{
	(void)state;
	is_refused(OTHER, "PATCH", "/apis/apps/v1/namespaces/team/deployments/web?fieldManager=t", APPLY, WEB,
		   "deployments.apps \"web\" is forbidden: User \"" OTHER
		   "\" cannot create resource \"deployments\" in API group \"apps\" in the namespace \"team\"");
	is_refused(OTHER, "PATCH", "/apis/apps/v1/namespaces/team/deployments/web/status?fieldManager=t", APPLY, WEB,
		   "deployments.apps \"web\" is forbidden: User \"" OTHER
		   "\" cannot patch resource \"deployments/status\" in API group \"apps\" in the namespace \"team\"");
}

static int setup(void **state)
{
	(void)state;
	sim = sim_new(1);
	return sim_load_yaml(sim, "apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n", NULL) && sim_load_yaml(sim, manifests, NULL)
		       ? 0
		       : -1;
}

static int teardown(void **state)
{
	(void)state;
	sim_free(sim);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_roles), cmocka_unit_test(test_apply_creates) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
