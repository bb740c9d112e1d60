package compat;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/**
 * What a {@code preStop} hook does with curl, for an image without a shell: drains the instance that has this pod's
 * name, of the application whose URL in the registry's API is given, with the query that is given; fails if that is not answered 200.
 */
public final class Drain {
    private Drain() {
    }

    public static void main(String[] arguments) throws Exception {
        String url = arguments[0] + "/instances/" + System.getenv("POD_NAME") + "/drain?" + arguments[1];
        HttpRequest request = HttpRequest.newBuilder(URI.create(url)).POST(HttpRequest.BodyPublishers.noBody()).build();
        HttpResponse<String> answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != 200) {
            System.err.println(answer.body());
            System.exit(1);
        }
    }
}
