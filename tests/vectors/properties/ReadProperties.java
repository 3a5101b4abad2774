import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Properties;
import java.util.Scanner;

/** Reads files, each in base64 on a line of standard input; prints what java.util.Properties makes of each, on a line. */
public class ReadProperties {
    public static void main(String[] arguments) throws Exception {
        Scanner lines = new Scanner(System.in, StandardCharsets.US_ASCII);
        while (lines.hasNextLine()) {
            Properties read = new Properties();
            StringBuilder answer = new StringBuilder();
            try {
                read.load(new ByteArrayInputStream(Base64.getDecoder().decode(lines.nextLine())));
                for (String key : read.stringPropertyNames()) {
                    answer.append(encoded(key)).append('=').append(encoded(read.getProperty(key))).append(' ');
                }
            } catch (IllegalArgumentException refused) {
                answer.append("refused");
            }
            System.out.println(answer);
        }
    }

    private static String encoded(String text) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(text.getBytes(StandardCharsets.UTF_16BE));
    }
}
