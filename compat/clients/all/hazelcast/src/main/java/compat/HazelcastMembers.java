package compat;

import com.hazelcast.config.Config;
import com.hazelcast.config.DiscoveryStrategyConfig;
import com.hazelcast.config.JoinConfig;
import com.hazelcast.core.Hazelcast;
import com.hazelcast.core.HazelcastInstance;
import com.hazelcast.eureka.one.EurekaOneDiscoveryStrategyFactory;
import java.util.Map;

/** A member that finds others by Eureka, and says how many it has joined. Arguments: PORT, and settings of the plugin as NAME=VALUE. */
public final class HazelcastMembers {
    private static final long PAUSE_MS = 200;

    private HazelcastMembers() {
    }

    public static void main(String[] arguments) throws InterruptedException {
        Config config = new Config();
        config.setProperty("hazelcast.discovery.enabled", "true");
        config.setProperty("hazelcast.phone.home.enabled", "false");
        // Whoever chose the port holds it until the member listens there.
        config.getNetworkConfig().setPort(Integer.parseInt(arguments[0])).setPortAutoIncrement(false).setReuseAddress(true);
        config.getNetworkConfig().getInterfaces().setEnabled(true).addInterface("127.0.0.1");
        JoinConfig join = config.getNetworkConfig().getJoin();
        join.getAutoDetectionConfig().setEnabled(false);
        join.getMulticastConfig().setEnabled(false);
        DiscoveryStrategyConfig strategy = new DiscoveryStrategyConfig(new EurekaOneDiscoveryStrategyFactory(), Map.of());
        for (int at = 1; at < arguments.length; at++) {
            String[] pair = arguments[at].split("=", 2);
            strategy.addProperty(pair[0], pair[1]);
        }
        join.getDiscoveryConfig().addDiscoveryStrategyConfig(strategy);
        HazelcastInstance member = Hazelcast.newHazelcastInstance(config);
        int before = 0;
        while (true) {
            int members = member.getCluster().getMembers().size();
            if (members != before) {
                System.out.println("MEMBERS " + members);
                before = members;
            }
            Thread.sleep(PAUSE_MS);
        }
    }
}
