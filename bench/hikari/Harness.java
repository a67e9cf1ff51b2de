import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.metrics.IMetricsTracker;
import com.zaxxer.hikari.pool.HikariPool;

import javax.sql.DataSource;
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.concurrent.locks.LockSupport;
import java.util.jar.JarFile;

/**
 * Has crowds of threads use HikariCP, as the benchmarks have crowds of goroutines use the other pools. It is told
 * what to do line by line on standard input, and answers each line with one that begins with "ok" or "error".
 * Durations are nanoseconds.
 *
 * <pre>
 * open SIZE WARM CONNECT      a pool of at most SIZE connections that keeps WARM idle ones, and has them when it answers
 * borrow CALLERS TURN         borrow and give back for the time of a turn: nanoseconds per cycle
 * tail CALLERS WARM TURN LOAD borrow, hold, give back; of the cycles after WARM each caller's "wait hold wait hold",
 *                             callers separated by ";"
 * rush CALLERS HOLD CONNECT   all borrow once, at the same time: how long it took, connections opened so far
 * close
 * </pre>
 */
final class Harness {
    private static final Stub database = new Stub();
    private static HikariDataSource pool;

    public static void main(String[] args) throws Exception {
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var out = new PrintStream(new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 16), false, "UTF-8");
        out.print("ok HikariCP " + version() + ", Java " + System.getProperty("java.version") + "\n");
        out.flush();
        for (String line; (line = in.readLine()) != null; out.flush()) {
            try {
                out.print("ok " + answer(line.split(" ", 5)) + "\n");
            } catch (Exception e) {
                out.print("error " + e.toString().replace('\n', ' ') + "\n");
            }
        }
        System.exit(0); // whatever threads a pool has left
    }

    private static String version() throws Exception {
        var jar = Path.of(HikariPool.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        try (var file = new JarFile(jar.toFile())) {
            return file.getManifest().getMainAttributes().getValue("Bundle-Version");
        }
    }

    private static String answer(String[] words) throws Exception {
        switch (words[0]) {
            case "open":
                return open(number(words[1]), number(words[2]), Long.parseLong(words[3]));
            case "borrow":
                return borrow(number(words[1]), Long.parseLong(words[2]));
            case "tail":
                return tail(number(words[1]), Long.parseLong(words[2]), Long.parseLong(words[3]), load(words[4]));
            case "rush":
                return rush(number(words[1]), Long.parseLong(words[2]), Long.parseLong(words[3]));
            case "close":
                pool.close();
                pool = null;
                return "";
            default:
                throw new IllegalArgumentException("there is no command " + words[0]);
        }
    }

    private static int number(String word) {
        return Integer.parseInt(word);
    }

    /** What the other pools keep as well: how many loans, and what they and the waits for them have taken. */
    private static final class Counts implements IMetricsTracker {
        final LongAdder acquired = new LongAdder(), waited = new LongAdder(), used = new LongAdder(), held = new LongAdder();

        @Override
        public void recordConnectionAcquiredNanos(long nanos) {
            acquired.increment();
            waited.add(nanos);
        }

        @Override
        public void recordConnectionUsageMillis(long millis) {
            used.increment();
            held.add(millis);
        }
    }

    /** As configured by default, with metrics; cold, if warm is 0, as the other pools are at first. */
    private static String open(int size, int warm, long connect) throws Exception {
        if (pool != null) throw new IllegalStateException("a pool is open");
        database.connect = connect;
        database.opened.set(0);
        var config = new HikariConfig();
        config.setDataSource(database);
        config.setMaximumPoolSize(size);
        config.setMinimumIdle(warm);
        config.setMetricsTrackerFactory((name, stats) -> new Counts());
        if (warm == 0) config.setInitializationFailTimeout(-1);
        pool = new HikariDataSource(config);
        // It opens them in the background.
        for (long end = System.nanoTime() + 20_000_000_000L; pool.getHikariPoolMXBean().getIdleConnections() < warm; sleep(1_000_000)) {
            if (System.nanoTime() > end) throw new TimeoutException("the pool does not fill");
        }
        return "";
    }

    private static String borrow(int callers, long turn) throws Exception {
        var clock = new Clock();
        var done = new LongAdder();
        var crowd = new Crowd(callers, caller -> {
            long n = 0;
            for (; !clock.over; n++) {
                try (var connection = pool.getConnection()) {
                }
            }
            done.add(n);
        });
        long began = crowd.start();
        sleep(turn);
        clock.over = true;
        long took = System.nanoTime() - began;
        crowd.join();
        return String.valueOf((double) took / Math.max(done.sum(), 1));
    }

    /** A cycle counts if it got its connection after the warm-up; so waits that began before count in full. */
    private static String tail(int callers, long warm, long turn, Runnable hold) throws Exception {
        var clock = new Clock();
        var each = new StringBuilder[callers];
        var crowd = new Crowd(callers, caller -> {
            var mine = each[caller] = new StringBuilder();
            while (!clock.over) {
                boolean counts;
                long asked = System.nanoTime(), began, ended;
                try (var connection = pool.getConnection()) {
                    counts = clock.counts;
                    began = System.nanoTime();
                    hold.run();
                    ended = System.nanoTime();
                }
                if (counts) mine.append(began - asked).append(' ').append(ended - began).append(' ');
            }
        });
        crowd.start();
        sleep(warm);
        clock.counts = true;
        sleep(turn);
        clock.over = true;
        crowd.join();
        return String.join(";", each);
    }

    private static Runnable load(String name) {
        switch (name) {
            case "sleep 0-1 ms":
                return () -> sleep(ThreadLocalRandom.current().nextLong(1_000_000));
            case "sleep 500 µs":
                return () -> sleep(500_000);
            case "busy 100 µs":
                return () -> {
                    for (long end = System.nanoTime() + 100_000; System.nanoTime() < end; ) ;
                };
            default:
                throw new IllegalArgumentException("the harness has no load \"" + name + "\"");
        }
    }

    private static String rush(int callers, long hold, long connect) throws Exception {
        database.connect = connect;
        var crowd = new Crowd(callers, caller -> {
            try (var connection = pool.getConnection()) {
                sleep(hold);
            }
        });
        long began = crowd.start();
        crowd.join();
        return (System.nanoTime() - began) + " " + database.opened;
    }

    /** Thread.sleep knows milliseconds only. */
    static void sleep(long nanos) {
        long end = System.nanoTime() + nanos;
        for (long left = nanos; left > 0; left = end - System.nanoTime()) LockSupport.parkNanos(left);
    }

    /** When the warm-up is over, and when the turn. */
    private static final class Clock {
        volatile boolean counts, over;
    }

    /** Threads that begin together, each doing the same. */
    private static final class Crowd {
        interface Task {
            void run(int caller) throws Exception;
        }

        private final List<Thread> threads = new ArrayList<>();
        private final CountDownLatch ready, go = new CountDownLatch(1);
        private final AtomicReference<Throwable> failed = new AtomicReference<>();

        Crowd(int callers, Task task) {
            ready = new CountDownLatch(callers);
            for (int i = 0; i < callers; i++) {
                int caller = i;
                threads.add(new Thread(() -> {
                    try {
                        ready.countDown();
                        go.await();
                        task.run(caller);
                    } catch (Throwable e) {
                        failed.compareAndSet(null, e);
                    }
                }));
            }
        }

        /** Returns when it was that all were let go. */
        long start() throws InterruptedException {
            threads.forEach(Thread::start);
            ready.await();
            long now = System.nanoTime();
            go.countDown();
            return now;
        }

        void join() throws Exception {
            for (var thread : threads) thread.join();
            if (failed.get() != null) throw new Exception(failed.get());
        }
    }

    /** A database that is nowhere: connecting takes as long as it is told to, everything else no time. */
    private static final class Stub implements DataSource {
        volatile long connect;
        final AtomicLong opened = new AtomicLong();

        @Override
        public Connection getConnection() {
            sleep(connect);
            opened.incrementAndGet();
            return new StubConnection();
        }

        // @formatter:off
        @Override public Connection getConnection(String user, String password) { return getConnection(); }
        @Override public PrintWriter getLogWriter() { return null; }
        @Override public void setLogWriter(PrintWriter out) { }
        @Override public int getLoginTimeout() { return 0; }
        @Override public void setLoginTimeout(int seconds) { }
        @Override public java.util.logging.Logger getParentLogger() { return null; }
        @Override public <T> T unwrap(Class<T> type) { return null; }
        @Override public boolean isWrapperFor(Class<?> type) { return false; }
        // @formatter:on
    }

    // @formatter:off
    private static final class StubConnection implements Connection {
        private boolean closed;

        @Override public void close() { closed = true; }
        @Override public boolean isClosed() { return closed; }
        @Override public boolean isValid(int timeout) { return true; }
        @Override public SQLWarning getWarnings() { return null; }
        @Override public void clearWarnings() { }
        @Override public void setAutoCommit(boolean on) { }
        @Override public boolean getAutoCommit() { return true; }
        @Override public void commit() { }
        @Override public void rollback() { }
        @Override public void setReadOnly(boolean on) { }
        @Override public boolean isReadOnly() { return false; }
        @Override public void setTransactionIsolation(int level) { }
        @Override public int getTransactionIsolation() { return TRANSACTION_READ_COMMITTED; }
        @Override public void setCatalog(String name) { }
        @Override public String getCatalog() { return null; }
        @Override public void setSchema(String name) { }
        @Override public String getSchema() { return null; }
        @Override public void setHoldability(int holdability) { }
        @Override public int getHoldability() { return ResultSet.CLOSE_CURSORS_AT_COMMIT; }
        @Override public void setNetworkTimeout(Executor executor, int milliseconds) { }
        @Override public int getNetworkTimeout() { return 0; }
        @Override public void abort(Executor executor) { closed = true; }
        @Override public void setClientInfo(String name, String value) { }
        @Override public void setClientInfo(Properties properties) { }
        @Override public String getClientInfo(String name) { return null; }
        @Override public Properties getClientInfo() { return new Properties(); }
        @Override public <T> T unwrap(Class<T> type) { return null; }
        @Override public boolean isWrapperFor(Class<?> type) { return false; }

        // Nobody uses what follows.
        @Override public Statement createStatement() { return null; }
        @Override public Statement createStatement(int type, int concurrency) { return null; }
        @Override public Statement createStatement(int type, int concurrency, int holdability) { return null; }
        @Override public PreparedStatement prepareStatement(String sql) { return null; }
        @Override public PreparedStatement prepareStatement(String sql, int type, int concurrency) { return null; }
        @Override public PreparedStatement prepareStatement(String sql, int type, int concurrency, int holdability) { return null; }
        @Override public PreparedStatement prepareStatement(String sql, int keys) { return null; }
        @Override public PreparedStatement prepareStatement(String sql, int[] columns) { return null; }
        @Override public PreparedStatement prepareStatement(String sql, String[] columns) { return null; }
        @Override public CallableStatement prepareCall(String sql) { return null; }
        @Override public CallableStatement prepareCall(String sql, int type, int concurrency) { return null; }
        @Override public CallableStatement prepareCall(String sql, int type, int concurrency, int holdability) { return null; }
        @Override public String nativeSQL(String sql) { return sql; }
        @Override public DatabaseMetaData getMetaData() { return null; }
        @Override public Map<String, Class<?>> getTypeMap() { return Map.of(); }
        @Override public void setTypeMap(Map<String, Class<?>> map) { }
        @Override public Savepoint setSavepoint() { return null; }
        @Override public Savepoint setSavepoint(String name) { return null; }
        @Override public void rollback(Savepoint savepoint) { }
        @Override public void releaseSavepoint(Savepoint savepoint) { }
        @Override public Clob createClob() { return null; }
        @Override public Blob createBlob() { return null; }
        @Override public NClob createNClob() { return null; }
        @Override public SQLXML createSQLXML() { return null; }
        @Override public java.sql.Array createArrayOf(String type, Object[] elements) { return null; }
        @Override public Struct createStruct(String type, Object[] attributes) { return null; }
    }
    // @formatter:on
}
