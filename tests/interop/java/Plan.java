import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.Properties;

/** What all of the programs do alike. */
final class Plan {
    static final String TEXT = "a b+c*~%é\nof two lines: 密码";
    static final String CONTEXT = "{\"app\": \"é\"}";
    static final byte[] MESSAGE = TEXT.getBytes(StandardCharsets.UTF_8);
    static final String DIGEST = digest();

    private Plan() {}

    private static String digest() {
        try {
            return Base64.getEncoder().encodeToString(MessageDigest.getInstance("SHA-256").digest(MESSAGE));
        } catch (java.security.GeneralSecurityException error) {
            throw new IllegalStateException(error);
        }
    }

    static String alias(String client, String key) {
        return "alias/" + client + "-" + key;
    }

    /** The last line: which version of its client ran. */
    static void version(String group, String artifact) throws IOException {
        Properties known = new Properties();
        known.load(Plan.class.getResourceAsStream("/META-INF/maven/" + group + "/" + artifact + "/pom.properties"));
        System.out.println("{\"version\": \"" + known.getProperty("version") + "\"}");
    }

    static void done(String step) {
        System.out.println(step);
    }

    static void same(String wanted, String found) {
        if (!wanted.equals(found)) throw new IllegalStateException("what came back is not what was sent");
    }

    /** Java's own check of a signature over MESSAGE. */
    static void verify(String publicKey, String value) throws Exception {
        String der = publicKey.replaceAll("-----[A-Z ]+-----|\\s", "");
        PublicKey key = KeyFactory.getInstance("EC")
            .generatePublic(new X509EncodedKeySpec(Base64.getDecoder().decode(der)));
        Signature check = Signature.getInstance("SHA256withECDSA");
        check.initVerify(key);
        check.update(MESSAGE);
        if (!check.verify(Base64.getDecoder().decode(value))) throw new IllegalStateException("a wrong signature");
    }
}
