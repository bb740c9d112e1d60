package compat;

import com.netflix.appinfo.ApplicationInfoManager;
import com.netflix.appinfo.DataCenterInfo;
import com.netflix.appinfo.EurekaClientIdentity;
import com.netflix.appinfo.InstanceInfo;
import com.netflix.appinfo.InstanceInfo.InstanceStatus;
import com.netflix.appinfo.LeaseInfo;
import com.netflix.appinfo.MyDataCenterInfo;
import com.netflix.appinfo.MyDataCenterInstanceConfig;
import com.netflix.config.ConfigurationManager;
import com.netflix.discovery.DefaultEurekaClientConfig;
import com.netflix.discovery.DiscoveryClient;
import com.netflix.discovery.shared.Application;
import com.netflix.discovery.shared.Applications;
import com.netflix.discovery.shared.resolver.DefaultEndpoint;
import com.netflix.discovery.shared.transport.EurekaHttpClient;
import com.netflix.discovery.shared.transport.EurekaHttpResponse;
import com.netflix.discovery.shared.transport.jersey3.Jersey3ApplicationClientFactory;
import com.netflix.discovery.shared.transport.jersey3.Jersey3TransportClientFactories;
import com.netflix.eureka.DefaultEurekaServerConfig;
import com.netflix.eureka.cluster.protocol.ReplicationInstance;
import com.netflix.eureka.cluster.protocol.ReplicationInstanceResponse;
import com.netflix.eureka.cluster.protocol.ReplicationList;
import com.netflix.eureka.registry.PeerAwareInstanceRegistryImpl.Action;
import com.netflix.eureka.resources.DefaultServerCodecs;
import com.netflix.eureka.transport.Jersey3ReplicationClient;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.BooleanSupplier;

/** Every call of Netflix's client and of its replication client, and a DiscoveryClient that lives on deltas. */
public final class Driver {
    private static final String APP = "ORDERS-JERSEY";

    public static void main(String[] arguments) throws Exception {
        String url = arguments[0] + "/eureka/";
        ConfigurationManager.getConfigInstance().setProperty("eureka.serviceUrl.default", url);
        ConfigurationManager.getConfigInstance().setProperty("eureka.client.refresh.interval", "1");
        ConfigurationManager.getConfigInstance().setProperty("eureka.registration.enabled", "false");
        ConfigurationManager.getConfigInstance().setProperty("eureka.printDeltaFullDiff", "true");
        client(url);
        replication(url);
        deltas(url);
        System.exit(0);
    }

    private static void client(String url) {
        InstanceInfo info = instance("jersey:1", InstanceStatus.UP);
        EurekaHttpClient client = newClient(url, info);
        expect("a heartbeat for nobody", 404, client.sendHeartBeat(APP, "jersey:1", info, null));
        expect("register", 204, client.register(info));
        expect("heartbeat", 200, client.sendHeartBeat(APP, "jersey:1", info, null));
        Applications all = body("all", client.getApplications());
        check("all has it", all.getRegisteredApplications(APP).getByInstanceId("jersey:1") != null);
        check("the hash code is that of what was read", all.getReconcileHashCode().equals(all.getAppsHashCode()));
        check("delta", body("delta", client.getDelta()).getRegisteredApplications(APP) != null);
        check("vip", body("vip", client.getVip("orders-jersey")).size() == 1);
        check("secure vip", body("svip", client.getSecureVip("orders-jersey-tls")).size() == 1);
        check("application", body("application", client.getApplication(APP)).size() == 1);
        InstanceInfo read = body("instance", client.getInstance(APP, "jersey:1"));
        check("instance", read.getMetadata().get("zone").equals("a") && read.getLeaseInfo().getDurationInSecs() == 60);
        check("instance by id", body("instance by id", client.getInstance("jersey:1")).equals(info));
        expect("an unknown instance", 404, client.getInstance(APP, "nobody"));
        expect("status", 200, client.statusUpdate(APP, "jersey:1", InstanceStatus.OUT_OF_SERVICE, info));
        check("out of service", body("instance", client.getInstance(APP, "jersey:1")).getStatus() == InstanceStatus.OUT_OF_SERVICE);
        expect("status taken back", 200, client.deleteStatusOverride(APP, "jersey:1", info));
        expect("a heartbeat then", 404, client.sendHeartBeat(APP, "jersey:1", info, null));
        expect("cancel", 200, client.cancel(APP, "jersey:1"));
        expect("cancel again", 404, client.cancel(APP, "jersey:1"));
        client.shutdown();
        System.out.println("  every call of EurekaHttpClient, a heartbeat answered 404 among them");
    }

    private static void replication(String url) throws Exception {
        DefaultEurekaServerConfig config = new DefaultEurekaServerConfig();
        DefaultServerCodecs codecs = new DefaultServerCodecs(config);
        Jersey3ReplicationClient peer = Jersey3ReplicationClient.createReplicationClient(config, codecs, url);
        InstanceInfo info = instance("peer:1", InstanceStatus.UP);
        expect("heartbeat for nobody", 404, peer.sendHeartBeat(APP, "peer:1", info, null));
        expect("register", 204, peer.register(info));
        InstanceInfo older = new InstanceInfo.Builder(instance("peer:1", InstanceStatus.UP)).setLastDirtyTimestamp(1L).build();
        EurekaHttpResponse<InstanceInfo> conflict = peer.sendHeartBeat(APP, "peer:1", older, null);
        expect("an older heartbeat", 409, conflict);
        check("the newer instance comes with it", conflict.getEntity().getLastDirtyTimestamp().equals(info.getLastDirtyTimestamp()));

        ReplicationList list = new ReplicationList();
        list.addReplicationInstance(item(Action.Register, instance("batch:1", InstanceStatus.UP), 10L));
        list.addReplicationInstance(item(Action.Heartbeat, instance("batch:1", InstanceStatus.UP), instance("batch:1", InstanceStatus.UP).getLastDirtyTimestamp()));
        list.addReplicationInstance(item(Action.Heartbeat, instance("nobody", InstanceStatus.UP), 10L));
        list.addReplicationInstance(item(Action.Heartbeat, instance("peer:1", InstanceStatus.UP), 1L));
        list.addReplicationInstance(item(Action.StatusUpdate, instance("batch:1", InstanceStatus.OUT_OF_SERVICE), 10L));
        list.addReplicationInstance(item(Action.DeleteStatusOverride, instance("batch:1", InstanceStatus.UP), 10L));
        list.addReplicationInstance(item(Action.Cancel, instance("batch:1", InstanceStatus.UP), 10L));
        list.addReplicationInstance(item(Action.Cancel, instance("batch:1", InstanceStatus.UP), 10L));
        List<Integer> codes = new ArrayList<>();
        for (ReplicationInstanceResponse response : peer.submitBatchUpdates(list).getEntity().getResponseList()) {
            codes.add(response.getStatusCode());
        }
        check("a batch is answered item by item: " + codes, codes.equals(List.of(200, 200, 404, 409, 200, 200, 200, 404)));
        expect("cancel", 200, peer.cancel(APP, "peer:1"));
        peer.shutdown();
        System.out.println("  every call of the replication client; a batch answered " + codes);
    }

    private static void deltas(String url) throws Exception {
        EurekaHttpClient writer = newClient(url, instance("delta:0", InstanceStatus.UP));
        writer.register(instance("delta:0", InstanceStatus.UP));
        MyDataCenterInstanceConfig config = new MyDataCenterInstanceConfig();
        ApplicationInfoManager manager = new ApplicationInfoManager(config, instance("watcher", InstanceStatus.UP));
        DiscoveryClient reader = new DiscoveryClient(manager, new DefaultEurekaClientConfig(), new Jersey3TransportClientFactories());
        await("the full fetch", () -> count(reader) == 1);
        for (int round = 1; round <= 5; round++) {
            for (int id = 0; id < 10; id++) {
                writer.register(instance("delta:" + id, InstanceStatus.UP));
            }
            await("registrations", () -> count(reader) == 10);
            writer.statusUpdate(APP, "delta:1", InstanceStatus.OUT_OF_SERVICE, instance("delta:1", InstanceStatus.UP));
            await("a status", () -> count(reader) == 9); // the client keeps those that are UP
            for (int id = 1; id < 10; id++) {
                writer.cancel(APP, "delta:" + id);
            }
            await("cancellations", () -> count(reader) == 1);
        }
        reader.shutdown();
        System.out.println("  a DiscoveryClient followed 100 changes by deltas");
    }

    private static int count(DiscoveryClient reader) {
        Application found = reader.getApplication(APP);
        return found == null ? 0 : found.getInstances().size();
    }

    private static void await(String what, BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + 60_000_000_000L;
        while (!condition.getAsBoolean()) {
            check("waited in vain for " + what, System.nanoTime() < deadline);
            Thread.sleep(50);
        }
    }

    private static EurekaHttpClient newClient(String url, InstanceInfo info) {
        return Jersey3ApplicationClientFactory.create(
            new DefaultEurekaClientConfig(), Collections.emptyList(), info, new EurekaClientIdentity("127.0.0.1")
        ).newClient(new DefaultEndpoint(url));
    }

    private static InstanceInfo instance(String id, InstanceStatus status) {
        return InstanceInfo.Builder.newBuilder()
            .setInstanceId(id).setAppName(APP).setHostName("jersey.local").setIPAddr("127.0.0.1").setPort(8080)
            .setVIPAddress("orders-jersey").setSecureVIPAddress("orders-jersey-tls").setStatus(status)
            .setDataCenterInfo(new MyDataCenterInfo(DataCenterInfo.Name.MyOwn))
            .setLeaseInfo(LeaseInfo.Builder.newBuilder().setRenewalIntervalInSecs(20).setDurationInSecs(60).build())
            .add("zone", "a").setLastDirtyTimestamp(1_700_000_000_000L).build();
    }

    private static ReplicationInstance item(Action action, InstanceInfo info, Long lastDirty) {
        return new ReplicationInstance(
            APP, info.getId(), lastDirty, null, info.getStatus().name(), action == Action.Register ? info : null, action);
    }

    private static <T> T body(String what, EurekaHttpResponse<T> response) {
        expect(what, 200, response);
        return response.getEntity();
    }

    private static void expect(String what, int status, EurekaHttpResponse<?> response) {
        check(what + " is answered " + response.getStatusCode() + ", expected " + status, response.getStatusCode() == status);
    }

    private static void check(String what, boolean holds) {
        if (!holds) {
            System.out.println("FAIL: " + what);
            System.exit(1);
        }
    }
}
