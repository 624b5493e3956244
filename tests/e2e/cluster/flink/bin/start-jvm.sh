#!/bin/bash
# start-jvm.sh jobmanager|taskmanager CLASS [ARGUMENT...]
# Becomes the JVM of a Flink process: memory as Flink itself works it out, the configured options, the entry class.
set -u
role=$1 class=$2
shift 2

export FLINK_CONF_DIR=${FLINK_CONF_DIR:-$FLINK_HOME/conf} FLINK_LOG_DIR=${FLINK_LOG_DIR:-$FLINK_HOME/log}
export FLINK_LIB_DIR=$FLINK_HOME/lib FLINK_OPT_DIR=$FLINK_HOME/opt FLINK_BIN_DIR=$FLINK_HOME/bin FLINK_PLUGINS_DIR=$FLINK_HOME/plugins
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
jars=("$FLINK_LIB_DIR"/*.jar)
classpath=$(IFS=:; echo "${jars[*]}")

# Short-lived JVMs on few cores: the first compiler and the simplest collector make them start fastest.
quick=(-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData)
# share NAME: and their classes are taken from an archive, if build.sh has made one (train.sh); here it can be told to take notes for it.
share() {
  shared=()
  if [ -n "${WEIR_CLASS_LISTS:-}" ]; then
    shared=(-Xshare:off "-XX:DumpLoadedClassList=$WEIR_CLASS_LISTS/$1.$HOSTNAME")
  elif [ -e "$FLINK_HOME/cds/$1.jsa" ]; then
    shared=("-XX:SharedArchiveFile=$FLINK_HOME/cds/$1.jsa")
  fi
}

# The configuration as "key: value" lines. config.yaml (Flink 2) is nested; its levels are joined with dots.
configuration() {
  if [ -f "$FLINK_CONF_DIR/config.yaml" ]; then
    awk '/^ *(#|-|$)/ { next }
      { match($0, /^ */); depth = RLENGTH; line = substr($0, depth + 1); colon = index(line, ":"); if (!colon) next
        while (n && at[n] >= depth) n--
        n++; at[n] = depth; name[n] = substr(line, 1, colon - 1); value = substr(line, colon + 1); sub(/^ +/, "", value)
        if (value == "") next
        gsub(/^["\x27]|["\x27]$/, "", value); key = name[1]; for (i = 2; i <= n; i++) key = key "." name[i]
        print key ": " value }' "$FLINK_CONF_DIR/config.yaml"
  elif [ -f "$FLINK_CONF_DIR/flink-conf.yaml" ]; then
    cat "$FLINK_CONF_DIR/flink-conf.yaml"
  fi
}

# Newer distributions have these in their default configuration; Flink on Java 17 does not run without them.
options=()
for p in sun.net.util java.rmi:sun.rmi.registry java.security.jgss:sun.security.krb5; do
  [[ $p == *:* ]] || p=java.base:$p
  options+=("--add-exports=${p/:/\/}=ALL-UNNAMED")
done
for p in java.lang java.net java.io java.nio sun.nio.ch java.lang.reflect java.text java.time java.util \
  java.util.concurrent java.util.concurrent.atomic java.util.concurrent.locks; do
  options+=("--add-opens=java.base/$p=ALL-UNNAMED")
done
while IFS= read -r line; do
  case "${line%%:*}" in
    env.java.default-opts.all | env.java.opts | env.java.opts.all | "env.java.opts.$role" | "env.java.default-opts.$role")
      read -ra more <<< "${line#*: }"
      options+=("${more[@]}")
      ;;
  esac
done < <(configuration)

memory=() dynamic=()
if [ -n "${FLINK_TM_JVM_MEM_OPTS:-}" ]; then
  read -ra memory <<< "$FLINK_TM_JVM_MEM_OPTS"
else
  if [ "$role" = jobmanager ]; then what=GET_JM_RESOURCE_PARAMS; else what=GET_TM_RESOURCE_PARAMS; fi
  dist=("$FLINK_LIB_DIR"/flink-dist*.jar)
  # Only options of Flink: what follows may be the job's own arguments.
  own=()
  for a in "$@"; do [[ $a == -D* ]] && own+=("$a"); done
  share utils
  out=$("$java" "${quick[@]}" "${shared[@]}" -classpath "$FLINK_BIN_DIR/bash-java-utils.jar:${dist[0]}" \
    org.apache.flink.runtime.util.bash.BashJavaUtils "$what" --configDir "$FLINK_CONF_DIR" "${own[@]}" 2>&1) || {
    printf '%s\n' "$out" >&2
    echo "start-jvm.sh: Flink does not accept the memory configuration" >&2
    exit 1
  }
  mapfile -t results < <(sed -n 's/^BASH_JAVA_UTILS_EXEC_RESULT://p' <<< "$out")
  read -ra memory <<< "${results[0]:-}"
  read -ra dynamic <<< "${results[1]:-}"
fi

logging=()
for f in "$FLINK_CONF_DIR/log4j-console.properties" "$FLINK_BIN_DIR/log4j-console.properties"; do
  if [ -s "$f" ]; then
    logging=("-Dlog.file=$FLINK_LOG_DIR/flink-$role.log" "-Dlog4j.configuration=file:$f" "-Dlog4j.configurationFile=file:$f")
    break
  fi
done

share flink
exec "$java" "${quick[@]}" "${shared[@]}" "${memory[@]}" "${options[@]}" "${logging[@]}" -classpath "$classpath" "$class" \
  --configDir "$FLINK_CONF_DIR" "${dynamic[@]}" "$@"
