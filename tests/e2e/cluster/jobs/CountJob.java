import org.apache.flink.api.common.accumulators.LongCounter;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * The job of the end-to-end tests. Each subtask counts about a hundred a second, in operator state, and tells where it
 * started: a count that goes on after an upgrade proves that the state went along. The accumulator "count" and the
 * metric "count" have the whole count, restored part included.
 *
 * <p>Options: --broken (fails in main), --fail-after N (fails at count N), --fail-after-start MS (fails so long after
 * each start), --fail-on-restore (fails when given state), --limit N (ends after N records), --delay MS (pause after
 * each record, default 10).
 *
 * <p>Made of what all versions from 1.13 to 2.3 have.
 */
public class CountJob {
  private static class Options implements java.io.Serializable {
    private boolean broken;
    private boolean failOnRestore;
    private long failAfter = -1;
    private long failAfterStart = -1;
    private long limit = -1;
    private long delay = 10;

    private static Options parse(String[] args) {
      Options o = new Options();
      for (int i = 0; i < args.length; i++) {
        switch (args[i]) {
          case "--broken":
            o.broken = true;
            break;
          case "--fail-on-restore":
            o.failOnRestore = true;
            break;
          case "--fail-after":
            o.failAfter = Long.parseLong(args[++i]);
            break;
          case "--fail-after-start":
            o.failAfterStart = Long.parseLong(args[++i]);
            break;
          case "--limit":
            o.limit = Long.parseLong(args[++i]);
            break;
          case "--delay":
            o.delay = Long.parseLong(args[++i]);
            break;
          default: // upgrade tests add arguments only to change the specification
            System.out.println("COUNT ignores the argument " + args[i]);
        }
      }
      return o;
    }
  }

  private static class Count extends RichMapFunction<Long, Long> implements CheckpointedFunction {
    private final Options options;
    private transient ListState<Long> state;
    private transient LongCounter counter;
    private transient long count;
    private transient long started;

    Count(Options options) {
      this.options = options;
    }

    @Override
    public void initializeState(FunctionInitializationContext context) throws Exception {
      state = context.getOperatorStateStore().getListState(new ListStateDescriptor<>("count", Types.LONG));
      if (context.isRestored()) {
        // With fewer subtasks than before there are several parts.
        for (Long part : state.get()) {
          count += part;
        }
      }
      started = System.currentTimeMillis();
      System.out.println("COUNT start " + count + " restored " + context.isRestored());
      if (options.failOnRestore && context.isRestored()) {
        throw new IllegalStateException("told to fail on restore, at " + count);
      }
      counter = new LongCounter(count);
      getRuntimeContext().addAccumulator("count", counter);
      getRuntimeContext().getMetricGroup().gauge("count", (Gauge<Long>) () -> count);
    }

    @Override
    public Long map(Long number) throws Exception {
      Thread.sleep(options.delay);
      if (options.failAfter >= 0 && count >= options.failAfter) {
        throw new IllegalStateException("told to fail after " + options.failAfter + ", at " + count);
      }
      if (options.failAfterStart >= 0 && System.currentTimeMillis() - started >= options.failAfterStart) {
        throw new IllegalStateException("told to fail " + options.failAfterStart + " ms after the start, at " + count);
      }
      counter.add(1L);
      return ++count;
    }

    @Override
    public void snapshotState(FunctionSnapshotContext context) throws Exception {
      state.clear();
      state.add(count);
      System.out.println("COUNT snapshot " + count);
    }
  }

  public static void main(String[] args) throws Exception {
    Options options = Options.parse(args);
    if (options.broken) {
      throw new IllegalStateException("told to fail in main");
    }
    StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
    long last = options.limit > 0 ? options.limit : Long.MAX_VALUE - 1;
    env.fromSequence(1, last).uid("numbers").name("numbers")
        .map(new Count(options)).returns(Types.LONG).uid("count").name("count")
        .filter(n -> false).uid("none").name("none")
        .print().uid("sink").name("sink");
    env.execute("count");
  }
}
