import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;

/**
 * Runs one query in this process to the end of its input, and prints what it took as a JSON line: FlinkQuery SETTINGS
 * TABLES QUERY, three files: NAME: VALUE lines, and SQL statements with ; after each. ${NAME} stands for a system
 * property. A query's lines that begin with --! are settings of its own; java: Rebatch runs that class instead.
 */
public final class FlinkQuery {
  public static void main(String[] arguments) throws Exception {
    Configuration settings = new Configuration();
    settings.setString("table.local-time-zone", "UTC");
    String query = text(arguments[2]);
    String own = query.replaceAll("(?m)^(?!--! ).*$", "").replaceAll("(?m)^--! ", "");
    for (String line : (text(arguments[0]) + own).split("\n")) {
      int colon = line.indexOf(": ");
      if (colon > 0 && !line.startsWith("#")) {
        settings.setString(line.substring(0, colon), line.substring(colon + 2).trim());
      }
    }
    long began = System.nanoTime();
    if (settings.getString("java", "").equals("Rebatch")) {
      Rebatch.run(settings, text(arguments[1]));
    } else {
      TableEnvironment tables =
          TableEnvironment.create(
              EnvironmentSettings.newInstance()
                  .inStreamingMode()
                  .withConfiguration(settings)
                  .build());
      run(tables, text(arguments[1]));
      began = System.nanoTime();
      run(tables, query);
    }
    double seconds = (System.nanoTime() - began) / 1e9;
    com.sun.management.OperatingSystemMXBean system =
        (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    long resident = 0;
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmHWM:")) {
        resident = Long.parseLong(line.replaceAll("[^0-9]", ""));
      }
    }
    System.out.printf(
        "{\"seconds\":%.3f,\"cpu_seconds\":%.3f,\"peak_rss_mb\":%d,\"rows\":%d,\"changes\":%d,\"checksum\":\"%016x\"}%n",
        seconds,
        system.getProcessCpuTime() / 1e9,
        resident / 1024,
        ChecksumSinkFactory.ROWS.get(),
        ChecksumSinkFactory.CHANGES.get(),
        ChecksumSinkFactory.SUM.get());
    System.exit(0);
  }

  static void run(TableEnvironment tables, String statements) throws Exception {
    StringBuilder kept = new StringBuilder();
    for (String line : statements.split("\n")) {
      if (!line.stripLeading().startsWith("--")) {
        kept.append(line).append('\n');
      }
    }
    for (String statement : kept.toString().split(";\\s*\n")) {
      if (statement.isBlank()) {
        continue;
      }
      TableResult result = tables.executeSql(statement);
      if (result.getJobClient().isPresent()) {
        result.await();
      }
    }
  }

  private static String text(String path) throws Exception {
    String text = Files.readString(Path.of(path)) + "\n";
    java.util.regex.Matcher names =
        java.util.regex.Pattern.compile("\\$\\{([A-Z_]+)\\}").matcher(text);
    return names.replaceAll(
        found ->
            java.util.regex.Matcher.quoteReplacement(System.getProperty(found.group(1), "")));
  }
}
