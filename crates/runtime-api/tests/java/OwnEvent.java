package com.amazonaws.services.lambda.runtime.events;

import java.util.Date;
import java.util.List;

/** In the package of AWS's event classes, and as inconsistent with the JSON as they are. */
public class OwnEvent {
    private List<Record> records;

    public List<Record> getRecords() {
        return records;
    }

    public void setRecords(List<Record> records) {
        this.records = records;
    }

    public static class Record {
        private String eventSourceArn;
        private String sns;
        private String detailType;
        private final Date at;

        public Record(Date at) {
            this.at = at;
        }

        public String getEventSourceArn() {
            return eventSourceArn;
        }

        public void setEventSourceArn(String eventSourceArn) {
            this.eventSourceArn = eventSourceArn;
        }

        public String getSNS() {
            return sns;
        }

        public void setSns(String sns) {
            this.sns = sns;
        }

        public String getDetailType() {
            return detailType;
        }

        public void setDetailType(String detailType) {
            this.detailType = detailType;
        }

        public Date getAt() {
            return at;
        }
    }

    public static class Answer {
        private Integer statusCode = 200;
        private Boolean isBase64Encoded = true;

        public Integer getStatusCode() {
            return statusCode;
        }

        public Boolean getIsBase64Encoded() {
            return isBase64Encoded;
        }
    }
}
