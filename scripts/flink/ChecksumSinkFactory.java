import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.sink.SinkV2Provider;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSinkFactory;
import org.apache.flink.table.types.logical.DecimalType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.types.RowKind;

/**
 * A sink that only counts rows and adds up their hashes, those of rows taken back with the other sign: the sum does
 * not depend on the order of rows, and is that of the table that a changelog leaves.
 *
 * <p>A row's hash is XXH64 over its columns: 0 for null, otherwise 1 and then 8 bytes for numbers and microseconds,
 * 16 for decimals, a length of 4 bytes and the bytes for texts; little-endian.
 */
public final class ChecksumSinkFactory implements DynamicTableSinkFactory {
  static final AtomicLong CHANGES = new AtomicLong();
  static final AtomicLong ROWS = new AtomicLong();
  static final AtomicLong SUM = new AtomicLong();

  @Override
  public String factoryIdentifier() {
    return "checksum";
  }

  @Override
  public Set<ConfigOption<?>> requiredOptions() {
    return Collections.emptySet();
  }

  @Override
  public Set<ConfigOption<?>> optionalOptions() {
    return Collections.emptySet();
  }

  @Override
  public DynamicTableSink createDynamicTableSink(Context context) {
    return new TableSink((RowType) context.getPhysicalRowDataType().getLogicalType());
  }

  private static final class TableSink implements DynamicTableSink {
    private final RowType type;

    TableSink(RowType type) {
      this.type = type;
    }

    @Override
    public ChangelogMode getChangelogMode(ChangelogMode requested) {
      return requested;
    }

    @Override
    public SinkRuntimeProvider getSinkRuntimeProvider(Context context) {
      return SinkV2Provider.of(new ChecksumSink(type));
    }

    @Override
    public DynamicTableSink copy() {
      return new TableSink(type);
    }

    @Override
    public String asSummaryString() {
      return "checksum";
    }
  }

  static final class ChecksumSink implements Sink<RowData>, Serializable {
    private final RowType type;

    ChecksumSink(RowType type) {
      this.type = type;
    }

    @Override
    public SinkWriter<RowData> createWriter(WriterInitContext context) {
      return new Writer(type);
    }
  }

  private static final class Writer implements SinkWriter<RowData> {
    private final LogicalType[] types;
    private ByteBuffer bytes = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);
    private long changes;
    private long rows;
    private long sum;

    Writer(RowType type) {
      List<LogicalType> children = type.getChildren();
      types = children.toArray(new LogicalType[0]);
    }

    @Override
    public void write(RowData row, Context context) {
      bytes.clear();
      for (int column = 0; column < types.length; column++) {
        if (row.isNullAt(column)) {
          reserve(1);
          bytes.put((byte) 0);
        } else {
          add(row, column, types[column]);
        }
      }
      long hash = XXH64.hash(bytes.array(), bytes.position());
      RowKind kind = row.getRowKind();
      boolean comes = kind == RowKind.INSERT || kind == RowKind.UPDATE_AFTER;
      changes += 1;
      rows += comes ? 1 : -1;
      sum += comes ? hash : -hash;
    }

    private void add(RowData row, int column, LogicalType type) {
      reserve(32);
      bytes.put((byte) 1);
      switch (type.getTypeRoot()) {
        case INTEGER:
          bytes.putLong(row.getInt(column));
          break;
        case BIGINT:
          bytes.putLong(row.getLong(column));
          break;
        case BOOLEAN:
          bytes.put((byte) (row.getBoolean(column) ? 1 : 0));
          break;
        case DOUBLE:
          double number = row.getDouble(column);
          bytes.putLong(number == 0 ? 0 : Double.doubleToLongBits(number));
          break;
        case ARRAY:
          LogicalType element = type.getChildren().get(0);
          ArrayData array = row.getArray(column);
          ArrayData.ElementGetter elements = ArrayData.createElementGetter(element);
          bytes.putInt(array.size());
          for (int place = 0; place < array.size(); place++) {
            addNested(elements.getElementOrNull(array, place), element);
          }
          break;
        case ROW:
          RowData inner = row.getRow(column, type.getChildren().size());
          for (int place = 0; place < type.getChildren().size(); place++) {
            if (inner.isNullAt(place)) {
              reserve(1);
              bytes.put((byte) 0);
            } else {
              add(inner, place, type.getChildren().get(place));
            }
          }
          break;
        case TIMESTAMP_WITHOUT_TIME_ZONE:
          bytes.putLong(row.getTimestamp(column, 3).getMillisecond() * 1000);
          break;
        case DECIMAL:
          DecimalType decimal = (DecimalType) type;
          DecimalData value = row.getDecimal(column, decimal.getPrecision(), decimal.getScale());
          byte[] digits = value.toUnscaledBytes();
          for (int place = 0; place < 16; place++) {
            int from = digits.length - 1 - place;
            bytes.put(from >= 0 ? digits[from] : (byte) (digits[0] < 0 ? -1 : 0));
          }
          break;
        case CHAR:
        case VARCHAR:
          byte[] text = row.getString(column).toBytes();
          reserve(4 + text.length);
          bytes.putInt(text.length);
          bytes.put(text);
          break;
        default:
          throw new IllegalArgumentException("the checksum sink does not know " + type);
      }
    }

    private void addNested(Object value, LogicalType type) {
      if (value == null) {
        reserve(1);
        bytes.put((byte) 0);
      } else {
        add(GenericRowData.of(value), 0, type);
      }
    }

    private void reserve(int more) {
      if (bytes.remaining() >= more) {
        return;
      }
      ByteBuffer larger =
          ByteBuffer.allocate(bytes.capacity() * 2 + more).order(ByteOrder.LITTLE_ENDIAN);
      bytes.flip();
      larger.put(bytes);
      bytes = larger;
    }

    @Override
    public void flush(boolean endOfInput) {
      if (endOfInput) {
        CHANGES.addAndGet(changes);
        ROWS.addAndGet(rows);
        SUM.addAndGet(sum);
        changes = 0;
        rows = 0;
        sum = 0;
      }
    }

    @Override
    public void close() {}
  }

  /** XXH64 with seed 0, after its public specification. */
  static final class XXH64 {
    private static final long P1 = 0x9E3779B185EBCA87L;
    private static final long P2 = 0xC2B2AE3D27D4EB4FL;
    private static final long P3 = 0x165667B19E3779F9L;
    private static final long P4 = 0x85EBCA77C2B2AE63L;
    private static final long P5 = 0x27D4EB2F165667C5L;
    private static final java.lang.invoke.VarHandle LONGS =
        java.lang.invoke.MethodHandles.byteArrayViewVarHandle(
            long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final java.lang.invoke.VarHandle INTS =
        java.lang.invoke.MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

    static long hash(byte[] data, int length) {
      int at = 0;
      long hash;
      if (length >= 32) {
        long a = P1 + P2;
        long b = P2;
        long c = 0;
        long d = -P1;
        while (at <= length - 32) {
          a = round(a, (long) LONGS.get(data, at));
          b = round(b, (long) LONGS.get(data, at + 8));
          c = round(c, (long) LONGS.get(data, at + 16));
          d = round(d, (long) LONGS.get(data, at + 24));
          at += 32;
        }
        hash =
            Long.rotateLeft(a, 1)
                + Long.rotateLeft(b, 7)
                + Long.rotateLeft(c, 12)
                + Long.rotateLeft(d, 18);
        hash = merge(merge(merge(merge(hash, a), b), c), d);
      } else {
        hash = P5;
      }
      hash += length;
      for (; at <= length - 8; at += 8) {
        hash ^= round(0, (long) LONGS.get(data, at));
        hash = Long.rotateLeft(hash, 27) * P1 + P4;
      }
      if (at <= length - 4) {
        hash ^= ((int) INTS.get(data, at) & 0xFFFFFFFFL) * P1;
        hash = Long.rotateLeft(hash, 23) * P2 + P3;
        at += 4;
      }
      for (; at < length; at++) {
        hash ^= (data[at] & 0xFF) * P5;
        hash = Long.rotateLeft(hash, 11) * P1;
      }
      hash ^= hash >>> 33;
      hash *= P2;
      hash ^= hash >>> 29;
      hash *= P3;
      return hash ^ hash >>> 32;
    }

    private static long round(long sum, long input) {
      return Long.rotateLeft(sum + input * P2, 31) * P1;
    }

    private static long merge(long hash, long sum) {
      return (hash ^ round(0, sum)) * P1 + P4;
    }
  }
}
