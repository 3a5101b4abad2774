import java.net.HttpURLConnection;
import java.net.URI;

/** Java's own client, which gives a proxy no credentials: prints the status that a URL answers with. */
public class Outward {
    public static void main(String[] arguments) throws Exception {
        HttpURLConnection connection = (HttpURLConnection) URI.create(arguments[0]).toURL().openConnection();
        System.out.println(connection.getResponseCode());
    }
}
