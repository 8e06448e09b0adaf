import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.lang.reflect.Method;
import java.net.Socket;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Arrays;
import java.util.Locale;
import javax.net.ssl.SSLSession;
import javax.net.ssl.SSLSessionContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import org.apache.commons.net.ftp.FTP;
import org.apache.commons.net.ftp.FTPFile;
import org.apache.commons.net.ftp.FTPSClient;

/** Apache Commons Net against a server: KIND VERSION CERTIFICATE HOST PORT USER PASSWORD. */
public class CommonsNet {
    /** What many programs put around the library: JSSE finds the control connection's session for data. */
    static class Resuming extends FTPSClient {
        @Override
        protected void _prepareDataSocket_(Socket socket) throws IOException {
            SSLSession session = ((SSLSocket) _socket_).getSession();
            try {
                SSLSessionContext context = session.getSessionContext();
                var field = context.getClass().getDeclaredField("sessionHostPortCache");
                field.setAccessible(true);
                Object cache = field.get(context);
                Method put = cache.getClass().getDeclaredMethod("put", Object.class, Object.class);
                put.setAccessible(true);
                for (String host : new String[] {
                    socket.getInetAddress().getHostName(), socket.getInetAddress().getHostAddress()
                }) {
                    put.invoke(cache, (host + ":" + socket.getPort()).toLowerCase(Locale.ROOT), session);
                }
            } catch (ReflectiveOperationException error) {
                throw new IOException(error);
            }
        }
    }

    static FTPSClient ftp;

    static void must(String what, boolean yes) {
        if (!yes) {
            throw new IllegalStateException(what + ": " + ftp.getReplyString());
        }
    }

    public static void main(String[] arguments) throws Exception {
        String kind = arguments[0], version = arguments[1], host = arguments[3];
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (var file = new FileInputStream(arguments[2])) {
            store.setCertificateEntry("server", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);

        ftp = kind.equals("resuming") ? new Resuming() : new FTPSClient();
        ftp.setTrustManager(trust.getTrustManagers()[0]);
        ftp.setEnabledProtocols(new String[] {"TLSv" + version});
        ftp.setDefaultTimeout(30_000);
        ftp.setDataTimeout(java.time.Duration.ofSeconds(30));
        ftp.connect(host, Integer.parseInt(arguments[4]));
        must("login", ftp.login(arguments[5], arguments[6]));
        ftp.execPBSZ(0);
        ftp.execPROT("P");
        ftp.enterLocalPassiveMode();
        must("SYST", ftp.getSystemType().startsWith("UNIX"));
        must("TYPE I", ftp.setFileType(FTP.BINARY_FILE_TYPE));
        must("MKD", ftp.makeDirectory("java"));
        must("CWD", ftp.changeWorkingDirectory("java"));
        must("PWD", ftp.printWorkingDirectory().equals("/java"));
        must("an empty folder", ftp.listFiles().length == 0);
        for (int size : new int[] {0, 1, 3_000_000}) {
            byte[] sent = new byte[size];
            Arrays.fill(sent, (byte) 'j');
            must("STOR", ftp.storeFile("file", new ByteArrayInputStream(sent)));
            var back = new ByteArrayOutputStream();
            must("RETR", ftp.retrieveFile("file", back));
            must(size + " bytes come back", Arrays.equals(sent, back.toByteArray()));
            FTPFile[] listed = ftp.listFiles();
            must("LIST", listed.length == 1 && listed[0].getName().equals("file") && listed[0].getSize() == size);
            FTPFile[] facts = ftp.mlistDir();
            must("MLSD", facts.length == 1 && facts[0].getName().equals("file") && facts[0].getSize() == size);
        }
        must("MDTM", ftp.getModificationTime("file") != null);
        must("APPE", ftp.appendFile("file", new ByteArrayInputStream("more".getBytes())));
        ftp.setRestartOffset(3_000_000);
        var tail = new ByteArrayOutputStream();
        must("REST", ftp.retrieveFile("file", tail) && tail.toString().equals("more"));
        must("RNFR", ftp.rename("file", "moved"));
        must("DELE", ftp.deleteFile("moved"));
        must("CDUP", ftp.changeToParentDirectory());
        must("RMD", ftp.removeDirectory("java"));
        must("QUIT", ftp.logout());
        ftp.disconnect();
        System.out.println("Commons Net is content");
    }
}
