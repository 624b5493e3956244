#include "git/repository.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "git/cache.h"
#include "git/repository_private.h"
#include "git/source.h"
#include "git/transport.h"

#define INCOMING ":refs/weir/incoming" /* never written: libgit2 wants a destination to match by */

enum { SPECS_MAX = 2, DOUBTS_MAX = 2 };

struct repository {
	struct git_source source;
	struct cache cache;
	char *label; /* "git source NAME (URL)", for messages */
	char current[41];
	bool damaged;
	unsigned doubts; /* failures in a row that neither the network nor the remote explain */
	struct repository_stats stats;
	atomic_bool stop;
};

/* What to fetch for the revision that is followed. */
struct wanted {
	git_oid id; /* the commit, or (for a tag that the listing does not peel) what leads to it */
	bool by_id; /* asked for by its id alone */
	char *specs[SPECS_MAX];
	size_t count;
};

static void wanted_free(struct wanted *wanted)
{
	for (size_t i = 0; i < wanted->count; i++)
		free_ptr(&wanted->specs[i]);
	wanted->count = 0;
}

struct repository *repository_open(const char *cache_dir, const struct git_source *source, struct error *err)
{
	cache_setup();
	struct repository *r = mem_alloc(sizeof(*r));
	r->cache.lock = -1;
	atomic_init(&r->stop, false);
	if (!source_copy(&r->source, source, err)) {
		free_ptr(&r);
		return NULL;
	}
	AUTOFREE char *url = transport_display_url(r->source.url);
	r->label = mem_printf("git source %s (%s)", r->source.name, url);
	char key[SHA256_HEX_MAX];
	AUTOFREE char *text = mem_printf("%s\n%s", r->source.name, r->source.url);
	sha256_hex(text, strlen(text), key);
	key[40] = 0;
	bool repaired = false;
	if (!cache_open(&r->cache, cache_dir, key, r->current, &repaired, err)) {
		error_wrap(err, "%s", r->label);
		repository_close(r);
		return NULL;
	}
	r->stats.repairs = repaired;
	return r;
}

void repository_close(struct repository *r)
{
	if (!r)
		return;
	cache_close(&r->cache);
	source_free(&r->source);
	free_ptr(&r->label);
	free_ptr(&r);
}

void repository_closep(struct repository **r)
{
	repository_close(*r);
}

const char *repository_commit(const struct repository *r)
{
	return r->current;
}

struct repository_stats repository_last_stats(const struct repository *r)
{
	return r->stats;
}

const struct git_source *repository_source(const struct repository *r)
{
	return &r->source;
}

void repository_cancel(struct repository *r)
{
	atomic_store(&r->stop, true);
}

git_repository *repository_handle(struct repository *r)
{
	return r->cache.repo;
}

void repository_distrust(struct repository *r)
{
	r->damaged = true;
}

static int on_progress(const git_indexer_progress *progress, void *payload)
{
	struct transfer *transfer = payload;
	if (progress->received_bytes > transfer->source->max_fetch_bytes)
		return transfer_fail(transfer, ERROR_LIMIT, "more than the %zu bytes that one poll may receive",
				     transfer->source->max_fetch_bytes);
	return transfer_left_ms(transfer) == 0 ? -1 : 0;
}

static int on_sideband(const char *text, int len, void *payload)
{
	(void)text;
	(void)len;
	return transfer_left_ms(payload) == 0 ? -1 : 0;
}

static git_remote_callbacks callbacks(struct transfer *transfer)
{
	git_remote_callbacks calls;
	git_remote_init_callbacks(&calls, GIT_REMOTE_CALLBACKS_VERSION);
	calls.transport = transport_new;
	calls.transfer_progress = on_progress;
	calls.sideband_progress = on_sideband;
	calls.payload = transfer;
	return calls;
}

/* The reason of a failed libgit2 call that used the network. */
static bool remote_error(struct repository *r, struct transfer *transfer, int code, const char *what, struct error *err)
{
	if (transfer->err.kind != ERROR_NONE) {
		error_copy(err, &transfer->err);
		return error_wrap(err, "%s", what);
	}
	const git_error *last = git_error_last();
	if (transport_kind(r->source.url) == TRANSPORT_LOCAL) {
		const char *path = str_starts(r->source.url, "file://") ? r->source.url + 7 : r->source.url;
		if (code == GIT_ENOTFOUND || access(path, F_OK) < 0)
			return cache_error(err, ERROR_NOT_FOUND, what);
	}
	if (!last || last->klass != GIT_ERROR_NET)
		r->doubts++;
	return cache_error(err, code == GIT_EAUTH ? ERROR_FORBIDDEN : ERROR_TRANSIENT, what);
}

static const git_remote_head *find_head(const git_remote_head **heads, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (str_eq(heads[i]->name, name))
			return heads[i];
	}
	return NULL;
}

static void add_spec(struct wanted *wanted, char *owned)
{
	wanted->specs[wanted->count++] = owned;
}

/* The ref that the source names. */
static bool want_ref(const struct git_source *s, const git_remote_head **heads, size_t count, struct wanted *wanted, struct error *err)
{
	AUTOFREE char *name = s->branch ? mem_printf("refs/heads/%s", s->branch)
			      : s->tag	? mem_printf("refs/tags/%s", s->tag)
					: mem_strdup("HEAD");
	const git_remote_head *head = find_head(heads, count, name);
	if (!head)
		return error_set(err, ERROR_NOT_FOUND, "%s%s%s",
				 s->branch ? "no branch "
				 : s->tag  ? "no tag "
					   : "it has no HEAD and is empty",
				 s->branch ? s->branch : "", s->tag ? s->tag : "");
	AUTOFREE char *peeled = mem_printf("%s^{}", name);
	const git_remote_head *behind = find_head(heads, count, peeled);
	wanted->id = behind ? behind->oid : head->oid;
	add_spec(wanted, mem_printf("+%s" INCOMING, name));
	return true;
}

/* A fixed commit: behind the branch or tag named with it; else by its id if the server allows that; else behind any branch or tag. */
static bool want_commit(const struct transfer *transfer, const git_remote_head **heads, size_t count, struct wanted *wanted,
			struct error *err)
{
	git_oid id;
	const struct git_source *s = transfer->source;
	git_oid_fromstr(&id, s->commit);
	if (s->branch || s->tag) {
		if (!want_ref(s, heads, count, wanted, err))
			return false;
	} else if (transport_fetches_by_id(transfer)) {
		add_spec(wanted, mem_printf("+%s" INCOMING, s->commit));
		wanted->by_id = true;
	} else {
		add_spec(wanted, mem_strdup("+refs/heads/*:refs/weir/incoming/heads/*"));
		add_spec(wanted, mem_strdup("+refs/tags/*:refs/weir/incoming/tags/*"));
	}
	wanted->id = id;
	return true;
}

static bool fetch(struct repository *r, git_remote *remote, struct wanted *wanted, struct transfer *transfer, struct error *err)
{
	git_fetch_options options;
	git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION);
	options.callbacks = callbacks(transfer);
	options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
	options.update_fetchhead = 0;
	git_strarray specs = { wanted->specs, wanted->count };
	r->stats.fetches++;
	int code = git_remote_download(remote, &specs, &options);
	if (code == 0)
		return true;
	remote_error(r, transfer, code, "fetch", err);
	if (wanted->by_id && transfer->err.kind == ERROR_NONE) { /* a server that does not have it ends the answer, mostly without a word */
		r->doubts = 0;
		err->kind = ERROR_NOT_FOUND;
		return error_wrap(err, "the server does not hand out commit %s", r->source.commit);
	}
	return false;
}

static bool is_current(const struct repository *r, const git_oid *id)
{
	return !r->damaged && r->current[0] && git_oid_streq(id, r->current) == 0;
}

/* From what was fetched to its commit, of which everything must be there. */
static bool settle(struct repository *r, git_repository *repo, git_oid *id, struct error *err)
{
	git_object *object = NULL, *commit = NULL;
	char hex[41];
	git_oid_tostr(hex, sizeof(hex), id);
	if (git_object_lookup(&object, repo, id, GIT_OBJECT_ANY) < 0) {
		if (r->source.commit)
			return error_set(err, ERROR_NOT_FOUND, "commit %s is not behind %s", hex,
					 r->source.branch || r->source.tag ? "the branch or tag named with it" : "any branch or tag");
		return cache_error(err, ERROR_TRANSIENT, "fetch: the commit did not arrive");
	}
	int code = git_object_peel(&commit, object, GIT_OBJECT_COMMIT);
	git_object_free(object);
	if (code < 0)
		return error_set(err, ERROR_INVALID, "%s is no commit and no tag of one", hex);
	*id = *git_object_id(commit);
	git_object_free(commit);
	if (cache_holds(repo, id))
		return true;
	r->doubts++;
	return error_set(err, ERROR_TRANSIENT, "fetch: objects of commit %s are missing", hex);
}

/* Lists, and fetches into `repo` if that does not hold what is wanted; *id gets the commit. */
static bool update(struct repository *r, git_repository *repo, struct transfer *transfer, git_oid *id, struct error *err)
{
	git_remote *remote = NULL;
	git_remote_create_options create;
	git_remote_create_options_init(&create, GIT_REMOTE_CREATE_OPTIONS_VERSION);
	create.repository = repo;
	/* Looking for url.*.insteadOf leaks 20 KiB for each configuration entry in libgit2 1.5, besides being none of our business. */
	create.flags = GIT_REMOTE_CREATE_SKIP_INSTEADOF | GIT_REMOTE_CREATE_SKIP_DEFAULT_FETCHSPEC;
	if (git_remote_create_with_opts(&remote, r->source.url, &create) < 0)
		return cache_error(err, ERROR_INVALID, "url");
	git_remote_connect_options options;
	git_remote_connect_options_init(&options, GIT_REMOTE_CONNECT_OPTIONS_VERSION);
	options.callbacks = callbacks(transfer);
	const git_remote_head **heads = NULL;
	size_t count = 0;
	struct wanted wanted = { 0 };
	bool ok = false;
	r->stats.listings++;
	int code = git_remote_connect_ext(remote, GIT_DIRECTION_FETCH, &options);
	if (code == 0)
		code = git_remote_ls(&heads, &count, remote);
	if (code < 0)
		remote_error(r, transfer, code, "list refs", err);
	else if (r->source.commit)
		ok = want_commit(transfer, heads, count, &wanted, err);
	else
		ok = want_ref(&r->source, heads, count, &wanted, err);
	if (ok) {
		*id = wanted.id;
		ok = is_current(r, id) || cache_holds(repo, id) || fetch(r, remote, &wanted, transfer, err);
	}
	wanted_free(&wanted);
	git_remote_disconnect(remote);
	git_remote_free(remote);
	return ok && (is_current(r, id) || settle(r, repo, id, err));
}

/* Takes the commit as the current one; a fresh repository takes the cache's place with it. */
static bool take(struct repository *r, git_repository *fresh, const git_oid *id, struct error *err)
{
	if (!fresh && is_current(r, id)) {
		r->doubts = 0;
		return true;
	}
	if (!cache_set_current(fresh ? fresh : r->cache.repo, id, err)) {
		git_repository_free(fresh);
		return false;
	}
	if (fresh) {
		if (!cache_replace(&r->cache, fresh, true, err))
			return false;
		r->damaged = false;
		r->stats.repairs++;
	}
	r->doubts = 0;
	git_oid_tostr(r->current, sizeof(r->current), id);
	return true;
}

static bool is_held(const struct repository *r, git_oid *id)
{
	if (r->damaged || !r->source.commit)
		return false;
	git_oid_fromstr(id, r->source.commit);
	return is_current(r, id) || cache_holds(r->cache.repo, id);
}

static bool poll_once(struct repository *r, struct error *err)
{
	git_oid id;
	struct transfer transfer = {
		.source = &r->source, .stop = &r->stop, .deadline_ms = transport_now_ms() + r->source.timeout_ms, .err = ERROR_INIT
	};
	if (transfer_left_ms(&transfer) == 0) {
		error_copy(err, &transfer.err);
		return false;
	}
	if (!r->cache.repo || r->doubts >= DOUBTS_MAX)
		r->damaged = true;
	if (is_held(r, &id))
		return take(r, NULL, &id, err);
	git_repository *fresh = r->damaged ? cache_fresh(&r->cache, err) : NULL;
	if (r->damaged && !fresh)
		return false;
	bool ok = update(r, fresh ? fresh : r->cache.repo, &transfer, &id, err);
	r->stats.bytes += transfer.received;
	if (ok)
		return take(r, fresh, &id, err);
	git_repository_free(fresh);
	return false;
}

bool repository_poll(struct repository *r, char commit[41], bool *changed, struct error *err)
{
	char before[41];
	memcpy(before, r->current, sizeof(before));
	struct error reason = ERROR_INIT;
	if (!poll_once(r, &reason)) {
		error_wrap(&reason, "%s", r->label);
		if (err)
			error_copy(err, &reason);
		return false;
	}
	*changed = !str_eq(before, r->current);
	memcpy(commit, r->current, sizeof(r->current));
	git_oid id;
	git_oid_fromstr(&id, r->current);
	if (*changed)
		(void)cache_compact(&r->cache, &id, NULL); /* tried again after the next change */
	return true;
}
