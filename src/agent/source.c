/* Sources: each repository with its last good revision. A revision enters as a whole or not at all. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/mem.h"
#include "git/revision_tree.h"
#include "render/render.h"

struct revision {
	struct repository *repository; /* the poller's; set under the lock, so that others can cancel it */
	char *password;		       /* read from its file */
	pthread_mutex_t lock;	       /* guards what follows; never held over the network */
	struct revision_tree tree;
	bool has_tree;
	char problem[300];
};

struct revisions {
	const struct agent_config *config;
	struct revision *items;
};

struct revisions *revisions_new(const struct agent_config *config)
{
	struct revisions *r = mem_alloc(sizeof *r);
	r->config = config;
	r->items = mem_array(config->source_count, sizeof *r->items);
	for (size_t i = 0; i < config->source_count; i++)
		pthread_mutex_init(&r->items[i].lock, NULL);
	return r;
}

void revisions_cancel(struct revisions *revisions)
{
	for (size_t i = 0; i < revisions->config->source_count; i++) {
		struct revision *r = &revisions->items[i];
		pthread_mutex_lock(&r->lock);
		if (r->repository != NULL)
			repository_cancel(r->repository);
		pthread_mutex_unlock(&r->lock);
	}
}

void revisions_free(struct revisions *revisions)
{
	if (revisions == NULL)
		return;
	for (size_t i = 0; i < revisions->config->source_count; i++) {
		struct revision *r = &revisions->items[i];
		repository_close(r->repository);
		if (r->has_tree)
			revision_tree_free(&r->tree);
		free(r->password);
		pthread_mutex_destroy(&r->lock);
	}
	free(revisions->items);
	free(revisions);
}

static char *read_secret(const char *file)
{
	FILE *in = file == NULL ? NULL : fopen(file, "re");
	if (in == NULL)
		return NULL;
	char text[1024];
	size_t n = fread(text, 1, sizeof text - 1, in);
	(void)fclose(in);
	text[n] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	return mem_strdup(text);
}

static bool open_repository(struct revisions *revisions, size_t i, struct error *err)
{
	const struct source_config *s = &revisions->config->sources[i];
	struct revision *r = &revisions->items[i];
	free(r->password);
	r->password = read_secret(s->password_file);
	struct git_source source = { .name = s->name,
				     .url = s->url,
				     .branch = s->branch,
				     .tag = s->tag,
				     .commit = s->commit,
				     .user = s->user,
				     .password = r->password,
				     .token_file = s->token_file,
				     .ca_file = s->ca_file,
				     .client_cert = s->client_cert,
				     .client_key = s->client_key,
				     .proxy = s->proxy,
				     .ssh_key = s->ssh_key,
				     .known_hosts = s->known_hosts };
	struct repository *opened = repository_open(revisions->config->cache_dir, &source, err);
	pthread_mutex_lock(&r->lock);
	r->repository = opened;
	pthread_mutex_unlock(&r->lock);
	return opened != NULL;
}

/* Takes a commit's tree in place of the one in force, as a whole. */
static bool take_tree(struct revision *r, const char *commit, struct error *err)
{
	struct revision_tree fresh;
	if (!revision_tree_read(r->repository, commit, "", &fresh, err))
		return false;
	pthread_mutex_lock(&r->lock);
	if (r->has_tree)
		revision_tree_free(&r->tree);
	r->tree = fresh;
	r->has_tree = true;
	pthread_mutex_unlock(&r->lock);
	return true;
}

static bool poll_source_once(struct revisions *revisions, size_t source, bool *changed, struct error *err)
{
	struct revision *r = &revisions->items[source];
	if (r->repository == NULL && !open_repository(revisions, source, err))
		return false;
	char commit[41];
	bool moved;
	bool polled = repository_poll(r->repository, commit, &moved, err);
	if (!polled) { /* the last good revision goes on, also right after a restart */
		if (r->has_tree || *repository_commit(r->repository) == '\0')
			return false;
		(void)snprintf(commit, sizeof commit, "%s", repository_commit(r->repository));
		*changed = take_tree(r, commit, NULL);
		return false;
	}
	if (r->has_tree && strcmp(r->tree.commit, commit) == 0)
		return true;
	if (!take_tree(r, commit, err))
		return false;
	*changed = true;
	return true;
}

bool revisions_poll(struct revisions *revisions, size_t source, bool *changed, struct error *err)
{
	struct revision *r = &revisions->items[source];
	*changed = false;
	bool ok = poll_source_once(revisions, source, changed, err);
	pthread_mutex_lock(&r->lock);
	char before[sizeof r->problem];
	memcpy(before, r->problem, sizeof before);
	(void)snprintf(r->problem, sizeof r->problem, "%.*s", (int)sizeof r->problem - 1, ok ? "" : err->message);
	*changed |= strcmp(before, r->problem) != 0;
	pthread_mutex_unlock(&r->lock);
	return ok;
}

static bool render_locked(struct revision *r, const char *path, char commit[41], struct render_result *out, struct error *err)
{
	(void)snprintf(commit, 41, "%s", r->tree.commit);
	AUTOFREE struct render_file *files = mem_array(r->tree.count, sizeof *files);
	for (size_t i = 0; i < r->tree.count; i++) {
		const struct revision_file *f = &r->tree.files[i];
		files[i] = (struct render_file){ .path = f->path,
						 .data = f->data,
						 .len = f->len,
						 .kind = f->kind == REVISION_FILE	 ? RENDER_FILE
							 : f->kind == REVISION_SYMLINK	 ? RENDER_SYMLINK
							 : f->kind == REVISION_SUBMODULE ? RENDER_SUBMODULE
											 : RENDER_TOO_LARGE };
	}
	struct render_tree tree = { .files = files, .count = r->tree.count };
	return render_tree_build(&tree, path == NULL ? "" : path, NULL, out, err);
}

bool revisions_render(struct revisions *revisions, const struct sync_config *sync, char commit[41], struct render_result *out,
		      char note[300], struct error *err)
{
	size_t i = 0;
	while (strcmp(revisions->config->sources[i].name, sync->source) != 0)
		i++;
	struct revision *r = &revisions->items[i];
	pthread_mutex_lock(&r->lock);
	(void)snprintf(note, 300, "%s", r->problem);
	commit[0] = '\0';
	bool ok = true;
	if (r->has_tree)
		ok = render_locked(r, sync->path, commit, out, err);
	pthread_mutex_unlock(&r->lock);
	return ok;
}

static bool port_poll(void *context, size_t source, bool *changed, struct error *err)
{
	return revisions_poll(context, source, changed, err);
}

static bool port_render(void *context, const struct sync_config *sync, char commit[41], struct render_result *out, char note[300],
			struct error *err)
{
	return revisions_render(context, sync, commit, out, note, err);
}

struct source_port revisions_port(struct revisions *revisions)
{
	return (struct source_port){ .context = revisions, .poll = port_poll, .render = port_render };
}
