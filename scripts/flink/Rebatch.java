import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.util.Collector;

/**
 * Batches of 50 rows of a store, none older than a minute: what Flink's SQL has no step for, with a list and a timer for
 * each key.
 */
final class Rebatch {
  private static final int SIZE = 50;
  private static final long LINGER_MILLIS = 60_000;
  private static final DataType ROW =
      DataTypes.ROW(
          DataTypes.FIELD("store_id", DataTypes.STRING()),
          DataTypes.FIELD("product_id", DataTypes.STRING()),
          DataTypes.FIELD("user_id", DataTypes.BIGINT()),
          DataTypes.FIELD("quantity", DataTypes.BIGINT()),
          DataTypes.FIELD("price", DataTypes.DOUBLE()),
          DataTypes.FIELD("event_time", DataTypes.TIMESTAMP(3)),
          DataTypes.FIELD("update_id", DataTypes.STRING()));
  private static final DataType BATCH =
      DataTypes.ROW(
          DataTypes.FIELD("store_id", DataTypes.STRING()),
          DataTypes.FIELD("size", DataTypes.BIGINT()),
          DataTypes.FIELD("items", DataTypes.ARRAY(ROW)),
          DataTypes.FIELD("first_event_time", DataTypes.TIMESTAMP(3)),
          DataTypes.FIELD("last_event_time", DataTypes.TIMESTAMP(3)));

  private Rebatch() {}

  static void run(Configuration settings, String statements) throws Exception {
    settings.setString("pipeline.object-reuse", "true");
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.getExecutionEnvironment(settings);
    StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
    FlinkQuery.run(tables, statements);
    DataStream<RowData> rows =
        tables.toDataStream(
            tables.sqlQuery(
                "SELECT store_id, product_id, user_id, quantity, price, event_time, update_id FROM `rows`"),
            ROW.bridgedTo(RowData.class));
    RowType batch = (RowType) BATCH.getLogicalType();
    rows.keyBy(row -> row.getString(0).toString(), Types.STRING)
        .process(new Batches())
        .returns(InternalTypeInfo.of(batch))
        .sinkTo(new ChecksumSinkFactory.ChecksumSink(batch));
    environment.execute();
  }

  private static final class Batches extends KeyedProcessFunction<String, RowData, RowData> {
    private transient ListState<RowData> items;

    /** How many rows wait, the time of the first and of the last one. */
    private transient ValueState<long[]> waiting;

    @Override
    public void open(OpenContext context) {
      items =
          getRuntimeContext()
              .getListState(
                  new ListStateDescriptor<>(
                      "items", InternalTypeInfo.of((RowType) ROW.getLogicalType())));
      waiting =
          getRuntimeContext()
              .getState(
                  new ValueStateDescriptor<>(
                      "waiting", PrimitiveArrayTypeInfo.LONG_PRIMITIVE_ARRAY_TYPE_INFO));
    }

    @Override
    public void processElement(RowData row, Context context, Collector<RowData> output)
        throws Exception {
      long time = context.timestamp();
      long[] state = waiting.value();
      if (state == null) {
        state = new long[] {0, time, time};
        context.timerService().registerEventTimeTimer(time + LINGER_MILLIS);
      }
      state[0]++;
      state[2] = time;
      items.add(row);
      if (state[0] < SIZE) {
        waiting.update(state);
      } else {
        context.timerService().deleteEventTimeTimer(state[1] + LINGER_MILLIS);
        emit(context.getCurrentKey(), state, output);
      }
    }

    @Override
    public void onTimer(long time, OnTimerContext context, Collector<RowData> output)
        throws Exception {
      long[] state = waiting.value();
      if (state != null && state[1] + LINGER_MILLIS == time) {
        emit(context.getCurrentKey(), state, output);
      }
    }

    private void emit(String store, long[] state, Collector<RowData> output) throws Exception {
      List<RowData> rows = new ArrayList<>();
      for (RowData row : items.get()) {
        rows.add(row);
      }
      output.collect(
          GenericRowData.of(
              StringData.fromString(store),
              state[0],
              new GenericArrayData(rows.toArray()),
              TimestampData.fromEpochMillis(state[1]),
              TimestampData.fromEpochMillis(state[2])));
      items.clear();
      waiting.clear();
    }
  }
}
