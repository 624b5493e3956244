/* The ConfigMaps of a cluster: configuration with logging files, and the TaskManagers' pod template. */
#include <string.h>

#include "base/mem.h"
#include "flink/config.h"
#include "flink/objects_internal.h"
#include "flink/pod_template.h"

/* What a cluster logs with unless spec.logConfiguration says otherwise: everything from INFO on, to the console. */
static const char log4j_default[] = "monitorInterval = 30\n"
				    "rootLogger.level = INFO\n"
				    "rootLogger.appenderRef.console.ref = Console\n"
				    "appender.console.name = Console\n"
				    "appender.console.type = CONSOLE\n"
				    "appender.console.layout.type = PatternLayout\n"
				    "appender.console.layout.pattern = %d{ISO8601} %-5p %c [%t] %m%n%xEx\n"
				    "# The network library explains every closed connection at length.\n"
				    "logger.netty.name = org.jboss.netty.channel.DefaultChannelPipeline\n"
				    "logger.netty.level = OFF\n";
static const char logback_default[] = "<configuration>\n"
				      "  <appender name=\"console\" class=\"ch.qos.logback.core.ConsoleAppender\">\n"
				      "    <encoder><pattern>%d{ISO8601} %-5level %logger [%thread] %msg%n</pattern></encoder>\n"
				      "  </appender>\n"
				      "  <root level=\"INFO\"><appender-ref ref=\"console\"/></root>\n"
				      "</configuration>\n";

static const struct {
	const char *name, *text;
} log_files[] = { { "logback-console.xml", logback_default }, { "log4j-console.properties", log4j_default } };

/* The text of one logging file, NULL if the cluster has none. Given ones replace the defaults as a whole. */
static const char *log_file(const struct cluster *c, size_t i)
{
	const struct node *given = node_get(c->launch->spec, "logConfiguration");
	return node_is(given, NODE_MAP) ? node_text(node_get(given, log_files[i].name)) : log_files[i].text;
}

struct node *cluster_log_files(const struct cluster *c)
{
	struct node *names = node_list(c->doc);
	for (size_t i = 0; i < ARRAY_SIZE(log_files); i++)
		if (log_file(c, i) != NULL)
			node_append(c->doc, names, node_string(c->doc, log_files[i].name));
	return names;
}

static struct node *configmap(const struct cluster *c, const char *prefix, const char *jm_uid)
{
	AUTOFREE char *name = mem_printf("%s-%s", prefix, c->launch->name);
	struct node *object = cluster_object(c, "v1", "ConfigMap", name);
	node_set(c->doc, node_get(object, "metadata"), "labels", cluster_labels(c, NULL));
	cluster_set_owner(c, object, "apps/v1", "Deployment", jm_uid, true);
	(void)node_ensure_map(c->doc, object, "data");
	return object;
}

bool cluster_configmaps(const struct cluster *c, const char *jm_uid, struct node *list, struct error *err)
{
	AUTOBUF text = BUF_INIT;
	if (!flink_config_write(c->config, c->version, &text, err))
		return false;
	struct node *config = configmap(c, "flink-config", jm_uid);
	struct node *data = node_get(config, "data");
	for (size_t i = 0; i < ARRAY_SIZE(log_files); i++)
		node_set_text(c->doc, data, log_files[i].name, log_file(c, i));
	node_set_text(c->doc, data, c->version->config_file, buf_text(&text));
	node_append(c->doc, list, config);
	if (!cluster_has_tm_template(c))
		return true;
	struct node *template = configmap(c, "pod-template", jm_uid);
	AUTOBUF yaml = BUF_INIT;
	pod_template_write(pod_template_effective(c->doc, c->launch->spec, "taskManager", c->user), &yaml);
	node_set_text(c->doc, node_get(template, "data"), FLINK_POD_TEMPLATE_FILE, buf_text(&yaml));
	node_append(c->doc, list, template);
	return true;
}
